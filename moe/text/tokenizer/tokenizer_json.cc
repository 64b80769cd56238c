#include "moe/text/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/json.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/bpe_tokenizer.h"
#include "moe/text/tokenizer/decoder.h"
#include "moe/text/tokenizer/json_node.h"
#include "moe/text/tokenizer/normalizer.h"
#include "moe/text/tokenizer/post_processor.h"
#include "moe/text/tokenizer/pre_tokenizer.h"
#include "moe/text/tokenizer/tokenizer_json_parts.h"

namespace moe {
namespace {

absl::Status CheckVersion(const JsonNode& root) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                       root.Find("version"));
  if (!node.has_value()) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const std::string version, node->AsString());
  if (version == "1.0") return absl::OkStatus();
  return node->UnknownType(version, "1.0");
}

void TakeAddPrefixSpace(const TokenizerNames& names, SortedJson* document) {
  if (!names.add_prefix_space.has_value() || !document->is_object()) return;
  const auto found = document->find("pre_tokenizer");
  if (found == document->end() || !found->is_object()) return;
  const auto type = found->find("type");
  if (type != found->end() && *type == "ByteLevel") {
    (*found)["add_prefix_space"] = *names.add_prefix_space;
  }
}

absl::StatusOr<ParsedPreTokenizer> FindPreTokenizer(const JsonNode& root) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                       root.Find("pre_tokenizer"));
  if (!node.has_value()) return ParsedPreTokenizer{PreTokenizer({}), false};
  return ParsePreTokenizer(*node);
}

absl::StatusOr<Normalizer> FindNormalizer(const JsonNode& root) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                       root.Find("normalizer"));
  if (!node.has_value()) return Normalizer({});
  return ParseNormalizer(*node);
}

absl::StatusOr<std::vector<AddedToken>> FindAddedTokens(const JsonNode& root,
                                                        const BpeModel& model) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                       root.Find("added_tokens"));
  if (!node.has_value()) return std::vector<AddedToken>();
  return ParseAddedTokens(*node, model);
}

absl::StatusOr<PostProcessor> FindPostProcessor(const JsonNode& root,
                                                int64_t vocab_size) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                       root.Find("post_processor"));
  if (!node.has_value()) return PostProcessor::Identity();
  return ParsePostProcessor(*node, vocab_size);
}

absl::StatusOr<std::optional<Decoder>> FindDecoder(const JsonNode& root) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                       root.Find("decoder"));
  if (!node.has_value()) return std::nullopt;
  MOE_ASSIGN_OR_RETURN(Decoder decoder, ParseDecoder(*node));
  return std::optional<Decoder>(std::move(decoder));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BpeTokenizer>> ParseTokenizerJson(
    absl::string_view text, const TokenizerNames& names) {
  MOE_ASSIGN_OR_RETURN(SortedJson document, ParseSortedJson(text));
  TakeAddPrefixSpace(names, &document);
  const JsonNode root(document);
  MOE_RETURN_IF_ERROR(CheckVersion(root));
  MOE_ASSIGN_OR_RETURN(Normalizer normalizer, FindNormalizer(root));
  MOE_ASSIGN_OR_RETURN(ParsedPreTokenizer parsed, FindPreTokenizer(root));
  MOE_ASSIGN_OR_RETURN(const JsonNode model_node, root.Get("model"));
  MOE_ASSIGN_OR_RETURN(BpeSpec spec, ParseBpe(model_node));
  spec.words_are_bytes = parsed.words_are_bytes;
  absl::StatusOr<BpeModel> model = BpeModel::Create(spec);
  if (!model.ok()) return Annotate(model.status(), model_node.path());
  MOE_ASSIGN_OR_RETURN(std::vector<AddedToken> added,
                       FindAddedTokens(root, *model));
  auto vocab_size = static_cast<int64_t>(model->tokens().size());
  for (const AddedToken& token : added) {
    vocab_size = std::max(vocab_size, int64_t{token.id} + 1);
  }
  MOE_ASSIGN_OR_RETURN(PostProcessor post_processor,
                       FindPostProcessor(root, vocab_size));
  MOE_ASSIGN_OR_RETURN(std::optional<Decoder> decoder, FindDecoder(root));
  return BpeTokenizer::Create(
      {*std::move(model), std::move(added), std::move(normalizer),
       std::move(parsed.pre_tokenizer), std::move(post_processor),
       std::move(decoder)},
      names);
}

}  // namespace moe
