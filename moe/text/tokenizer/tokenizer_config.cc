#include "moe/text/tokenizer/tokenizer_config.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/json.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe {
namespace {

constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();

absl::Status MergeToken(const JsonNode& root, absl::string_view field,
                        std::optional<std::string>* token) {
  if (token->has_value()) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node, root.Find(field));
  if (!node.has_value()) return absl::OkStatus();
  if (node->value().is_object()) {
    MOE_ASSIGN_OR_RETURN(*token, node->GetString("content"));
  } else {
    MOE_ASSIGN_OR_RETURN(*token, node->AsString());
  }
  return absl::OkStatus();
}

absl::Status MergeFlag(const JsonNode& root, absl::string_view field,
                       std::optional<bool>* flag) {
  if (flag->has_value()) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node, root.Find(field));
  if (!node.has_value()) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(*flag, node->AsBool());
  return absl::OkStatus();
}

// A file may have hundreds of thousands of them.
absl::flat_hash_set<std::string> KnownTokens(const TokenizerConfig& config) {
  absl::flat_hash_set<std::string> known;
  for (const AddedToken& token : config.added_tokens) {
    known.insert(token.content);
  }
  return known;
}

absl::Status MergeAddedTokensDecoder(const JsonNode& root,
                                     TokenizerConfig* config) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> decoder,
                       root.Find("added_tokens_decoder"));
  if (!decoder.has_value()) return absl::OkStatus();
  if (!decoder->value().is_object()) return decoder->WrongType("an object");
  absl::flat_hash_set<std::string> known = KnownTokens(*config);
  for (const auto& [key, value] : decoder->value().items()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode node, decoder->Get(key));
    AddedToken token;
    if (!absl::SimpleAtoi(key, &token.id) || token.id < 0) {
      return node.Error("the field's name is no id");
    }
    MOE_ASSIGN_OR_RETURN(token.content, node.GetString("content"));
    MOE_ASSIGN_OR_RETURN(token.lstrip, node.GetBoolOr("lstrip", false));
    MOE_ASSIGN_OR_RETURN(token.rstrip, node.GetBoolOr("rstrip", false));
    MOE_ASSIGN_OR_RETURN(token.single_word,
                         node.GetBoolOr("single_word", false));
    MOE_ASSIGN_OR_RETURN(token.special, node.GetBoolOr("special", false));
    if (!token.content.empty() && known.insert(token.content).second) {
      config->added_tokens.push_back(std::move(token));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MergeTokenizerConfig(absl::string_view text,
                                  TokenizerConfig* config) {
  MOE_ASSIGN_OR_RETURN(const SortedJson document, ParseSortedJson(text));
  const JsonNode root(document);
  MOE_RETURN_IF_ERROR(MergeToken(root, "bos_token", &config->bos_token));
  MOE_RETURN_IF_ERROR(MergeToken(root, "eos_token", &config->eos_token));
  MOE_RETURN_IF_ERROR(MergeToken(root, "unk_token", &config->unk_token));
  MOE_RETURN_IF_ERROR(MergeFlag(root, "add_bos_token", &config->add_bos_token));
  MOE_RETURN_IF_ERROR(MergeFlag(root, "add_eos_token", &config->add_eos_token));
  MOE_RETURN_IF_ERROR(MergeFlag(root, "legacy", &config->legacy));
  MOE_RETURN_IF_ERROR(
      MergeFlag(root, "add_prefix_space", &config->add_prefix_space));
  return MergeAddedTokensDecoder(root, config);
}

absl::Status MergeAddedTokens(absl::string_view text, TokenizerConfig* config) {
  MOE_ASSIGN_OR_RETURN(const SortedJson document, ParseSortedJson(text));
  const JsonNode root(document);
  if (!document.is_object()) return root.WrongType("an object");
  absl::flat_hash_set<std::string> known = KnownTokens(*config);
  for (const auto& [content, value] : document.items()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode node, root.Get(content));
    MOE_ASSIGN_OR_RETURN(const int64_t id, node.AsInt(0, kMaxId));
    if (content.empty() || !known.insert(content).second) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = content;
    config->added_tokens.push_back(std::move(token));
  }
  return absl::OkStatus();
}

}  // namespace moe
