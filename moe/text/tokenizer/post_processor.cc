#include "moe/text/tokenizer/post_processor.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/json_node.h"
#include "moe/text/tokenizer/tokenizer_json_parts.h"

namespace moe::text {
namespace {

// The special tokens of the pieces up to the first text.
template <typename Iterator>
std::vector<int32_t> IdsUpToText(Iterator begin, Iterator end) {
  std::vector<int32_t> ids;
  for (; begin != end; ++begin) {
    const auto* const special = std::get_if<std::vector<int32_t>>(&*begin);
    if (special == nullptr) break;
    ids.insert(ids.end(), special->begin(), special->end());
  }
  return ids;
}

constexpr char kPostProcessors[] = "ByteLevel, TemplateProcessing, Sequence";
constexpr char kPieces[] = "Sequence, SpecialToken";

// The "ids" of each of "special_tokens", by its name.
using SpecialTokens = absl::flat_hash_map<std::string, std::vector<JsonNode>>;

absl::StatusOr<std::vector<JsonNode>> ParseIdsAndTokens(const JsonNode& node) {
  MOE_RETURN_IF_ERROR(node.GetString("id").status());
  MOE_ASSIGN_OR_RETURN(const std::vector<JsonNode> tokens,
                       node.GetItems("tokens"));
  for (const JsonNode& token : tokens) {
    MOE_RETURN_IF_ERROR(token.AsString().status());
  }
  MOE_ASSIGN_OR_RETURN(std::vector<JsonNode> ids, node.GetItems("ids"));
  for (const JsonNode& id : ids) {
    MOE_RETURN_IF_ERROR(id.AsUnsigned(kMaxUint32).status());
  }
  return ids;
}

absl::StatusOr<SpecialTokens> ParseSpecialTokens(const JsonNode& node) {
  if (!node.value().is_object()) return node.WrongType("an object");
  SpecialTokens tokens;
  for (const auto& [name, value] : node.value().items()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode token, node.Get(name));
    MOE_ASSIGN_OR_RETURN(tokens[name], ParseIdsAndTokens(token));
  }
  return tokens;
}

// A piece of a template as the file has it: "Sequence" or "SpecialToken", and
// its id.
struct NamedPiece {
  bool is_text;
  JsonNode id;
  std::string name;
};

absl::StatusOr<NamedPiece> ParsePiece(const JsonNode& node) {
  MOE_ASSIGN_OR_RETURN(const JsonNode::Choice choice, node.AsChoice(kPieces));
  const bool is_text = choice.name == "Sequence";
  if (!is_text && choice.name != "SpecialToken") {
    return node.WrongType(
        absl::StrCat("an object with one field of ", kPieces));
  }
  MOE_ASSIGN_OR_RETURN(const JsonNode type_id, choice.value.Get("type_id"));
  MOE_RETURN_IF_ERROR(type_id.AsUnsigned(kMaxUint32).status());
  MOE_ASSIGN_OR_RETURN(const JsonNode id, choice.value.Get("id"));
  MOE_ASSIGN_OR_RETURN(const std::string name, id.AsString());
  if (is_text && name != "A" && name != "B") {
    return id.WrongType("\"A\" or \"B\"");
  }
  return NamedPiece{is_text, id, name};
}

// Returns the piece of the template for single texts.
absl::StatusOr<TemplatePiece> ToTemplatePiece(const NamedPiece& piece,
                                              const SpecialTokens& tokens,
                                              int64_t vocab_size) {
  if (piece.is_text) {
    if (piece.name == "A") return TextPlace{};
    return piece.id.WrongType("\"A\", the only text");
  }
  const auto found = tokens.find(piece.name);
  if (found == tokens.end()) {
    return piece.id.Error(
        absl::StrCat("expected a name of special_tokens, "
                     "found \"",
                     piece.name, "\"; add it there"));
  }
  if (found->second.size() > kMaxTokenizerSteps) return TooManySteps(piece.id);
  std::vector<int32_t> ids;
  for (const JsonNode& item : found->second) {
    MOE_ASSIGN_OR_RETURN(const int64_t id, item.AsInt(0, vocab_size - 1));
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

absl::StatusOr<PostProcessor> ParseTemplate(const JsonNode& node,
                                            int64_t vocab_size) {
  MOE_ASSIGN_OR_RETURN(const JsonNode special, node.Get("special_tokens"));
  MOE_ASSIGN_OR_RETURN(const SpecialTokens tokens, ParseSpecialTokens(special));
  MOE_ASSIGN_OR_RETURN(const std::vector<JsonNode> pair, node.GetItems("pair"));
  for (const JsonNode& item : pair) {
    MOE_RETURN_IF_ERROR(ParsePiece(item).status());
  }
  MOE_ASSIGN_OR_RETURN(const JsonNode single, node.Get("single"));
  MOE_ASSIGN_OR_RETURN(const std::vector<JsonNode> items, single.Items());
  if (items.size() > kMaxTokenizerSteps) return TooManySteps(single);
  std::vector<TemplatePiece> pieces;
  for (const JsonNode& item : items) {
    MOE_ASSIGN_OR_RETURN(const NamedPiece named, ParsePiece(item));
    MOE_ASSIGN_OR_RETURN(TemplatePiece piece,
                         ToTemplatePiece(named, tokens, vocab_size));
    pieces.push_back(std::move(piece));
  }
  return PostProcessor(std::move(pieces));
}

// Sets `found` to the template of a node. A Sequence may hold one template.
absl::Status AddTemplates(const JsonNode& node, int64_t vocab_size,
                          std::optional<PostProcessor>* found) {
  MOE_ASSIGN_OR_RETURN(const std::string type, node.GetString("type"));
  if (type == "ByteLevel") return ParseByteLevel(node).status();
  if (type == "Sequence") {
    MOE_ASSIGN_OR_RETURN(const std::vector<JsonNode> items,
                         node.GetItems("processors"));
    for (const JsonNode& item : items) {
      MOE_RETURN_IF_ERROR(AddTemplates(item, vocab_size, found));
    }
    return absl::OkStatus();
  }
  if (type != "TemplateProcessing") {
    return node.UnknownType(type, kPostProcessors);
  }
  if (found->has_value()) {
    return absl::UnimplementedError(absl::StrCat(
        node.path(), ": expected one TemplateProcessing, found another"));
  }
  MOE_ASSIGN_OR_RETURN(*found, ParseTemplate(node, vocab_size));
  return absl::OkStatus();
}

}  // namespace

std::vector<int32_t> PostProcessor::IdsBefore() const {
  return IdsUpToText(pieces_.begin(), pieces_.end());
}

std::vector<int32_t> PostProcessor::IdsBehind() const {
  const auto last_text =
      std::find_if(pieces_.rbegin(), pieces_.rend(), [](const auto& piece) {
        return std::holds_alternative<TextPlace>(piece);
      });
  // Without a text, all special tokens count as before it.
  if (last_text == pieces_.rend()) return {};
  return IdsUpToText(last_text.base(), pieces_.end());
}

std::vector<int32_t> PostProcessor::Run(std::vector<int32_t> ids,
                                        bool add_special_tokens) const {
  if (pieces_.size() == 1 && std::holds_alternative<TextPlace>(pieces_[0])) {
    return ids;
  }
  std::vector<int32_t> out;
  out.reserve(ids.size() + pieces_.size());
  for (const TemplatePiece& piece : pieces_) {
    const auto* const special = std::get_if<std::vector<int32_t>>(&piece);
    if (special == nullptr) {
      out.insert(out.end(), ids.begin(), ids.end());
    } else if (add_special_tokens) {
      out.insert(out.end(), special->begin(), special->end());
    }
  }
  return out;
}

absl::StatusOr<PostProcessor> ParsePostProcessor(const JsonNode& node,
                                                 int64_t vocab_size) {
  std::optional<PostProcessor> found;
  MOE_RETURN_IF_ERROR(AddTemplates(node, vocab_size, &found));
  return found.has_value() ? *std::move(found) : PostProcessor::Identity();
}

}  // namespace moe::text
