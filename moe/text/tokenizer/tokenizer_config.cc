#include "moe/text/tokenizer/tokenizer_config.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe::text {
namespace {

constexpr int64_t kMaxConfigId = std::numeric_limits<int32_t>::max();

// Reads all but `special` and `normalized`.
absl::Status ReadContentAndSides(const JsonNode& node, AddedToken* token) {
  MOE_ASSIGN_OR_RETURN(token->content, node.GetString("content"));
  MOE_ASSIGN_OR_RETURN(token->lstrip, node.GetBoolOr("lstrip", false));
  MOE_ASSIGN_OR_RETURN(token->rstrip, node.GetBoolOr("rstrip", false));
  MOE_ASSIGN_OR_RETURN(token->single_word,
                       node.GetBoolOr("single_word", false));
  return absl::OkStatus();
}

// A token as a file has it: its text, or an object with its flags. A token in a
// special field is special whatever the object says.
absl::StatusOr<SpecialToken> ParseSpecialToken(const JsonNode& node) {
  SpecialToken special;
  AddedToken& token = special.token;
  token.special = true;
  if (!node.value().is_object()) {
    MOE_ASSIGN_OR_RETURN(token.content, node.AsString());
    return special;
  }
  special.has_flags = true;
  MOE_RETURN_IF_ERROR(ReadContentAndSides(node, &token));
  MOE_ASSIGN_OR_RETURN(token.normalized, node.GetBoolOr("normalized", false));
  return special;
}

absl::Status ReadNamedTokens(const JsonNode& root, TokenizerConfig* config) {
  for (const absl::string_view field : kNamedTokens) {
    MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                         root.FindEvenNull(field));
    if (!node.has_value()) continue;
    std::optional<SpecialToken> token;
    if (!node->value().is_null()) {
      MOE_ASSIGN_OR_RETURN(token, ParseSpecialToken(*node));
    }
    std::optional<SpecialToken>& known =
        config->named_tokens[std::string(field)];
    if (!known.has_value()) known = std::move(token);
  }
  return absl::OkStatus();
}

absl::Status ReadSpecialTokens(const JsonNode& node,
                               std::vector<SpecialToken>& tokens) {
  std::vector<JsonNode> items;
  if (node.value().is_object()) {
    for (const auto& [name, value] : node.value().items()) {
      MOE_ASSIGN_OR_RETURN(const JsonNode item, node.Get(name));
      items.push_back(item);
    }
  } else {
    MOE_ASSIGN_OR_RETURN(items, node.Items());
  }
  for (const JsonNode& item : items) {
    MOE_ASSIGN_OR_RETURN(SpecialToken token, ParseSpecialToken(item));
    tokens.push_back(std::move(token));
  }
  return absl::OkStatus();
}

absl::Status ReadAdditionalTokens(const JsonNode& root,
                                  TokenizerConfig* config) {
  for (const absl::string_view field :
       {"additional_special_tokens", "extra_special_tokens"}) {
    MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node, root.Find(field));
    if (!node.has_value()) continue;
    MOE_RETURN_IF_ERROR(ReadSpecialTokens(
        *node, node->value().is_object() ? config->extra_tokens
                                         : config->additional_tokens));
  }
  return absl::OkStatus();
}

void TakeName(const TokenizerConfig& from, absl::string_view field,
              std::optional<std::string>* name) {
  const auto found = from.named_tokens.find(std::string(field));
  if (name->has_value() || found == from.named_tokens.end()) return;
  if (found->second.has_value()) *name = found->second->token.content;
}

// Takes the names that `config` does not have yet.
void TakeNames(const TokenizerConfig& from, TokenizerConfig* config) {
  TakeName(from, "bos_token", &config->bos_token);
  TakeName(from, "eos_token", &config->eos_token);
  TakeName(from, "unk_token", &config->unk_token);
}

absl::Status CheckBudget(const TokenizerConfig& config) {
  AddedTokenBudget budget;
  for (const AddedToken& token : config.added_tokens) {
    MOE_RETURN_IF_ERROR(budget.Spend(token.content));
  }
  for (const auto* const tokens :
       {&config.additional_tokens, &config.extra_tokens}) {
    for (const SpecialToken& special : *tokens) {
      MOE_RETURN_IF_ERROR(budget.Spend(special.token.content));
    }
  }
  return absl::OkStatus();
}

// The index in added_tokens of each token: there may be hundreds of thousands.
absl::flat_hash_map<std::string, size_t> IndexByContent(
    const TokenizerConfig& config) {
  absl::flat_hash_map<std::string, size_t> known;
  for (size_t i = 0; i < config.added_tokens.size(); ++i) {
    known.emplace(config.added_tokens[i].content, i);
  }
  return known;
}

absl::Status MergeAddedTokensDecoder(const JsonNode& root,
                                     TokenizerConfig* config) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> decoder,
                       root.Find("added_tokens_decoder"));
  if (!decoder.has_value()) return absl::OkStatus();
  if (!decoder->value().is_object()) return decoder->WrongType("an object");
  config->has_added_tokens_decoder = true;
  absl::flat_hash_map<std::string, size_t> known = IndexByContent(*config);
  for (const auto& [key, value] : decoder->value().items()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode node, decoder->Get(key));
    AddedToken token;
    if (!absl::SimpleAtoi(key, &token.id) || token.id < 0) {
      return node.Error("expected a field whose name is an id");
    }
    MOE_RETURN_IF_ERROR(ReadContentAndSides(node, &token));
    MOE_ASSIGN_OR_RETURN(token.special, node.GetBoolOr("special", false));
    MOE_ASSIGN_OR_RETURN(token.normalized,
                         node.GetBoolOr("normalized", !token.special));
    if (token.content.empty()) continue;
    const auto [same, is_new] =
        known.emplace(token.content, config->added_tokens.size());
    if (is_new) {
      config->added_tokens.push_back(std::move(token));
      continue;
    }
    const AddedToken& other = config->added_tokens[same->second];
    if (SameFlags(other, token)) continue;
    return node.Error(absl::StrCat("expected the token \"", token.content,
                                   "\" once, found it under the id ", other.id,
                                   " with other flags; remove one of the "
                                   "two"));
  }
  return base::Annotate(CheckBudget(*config), decoder->path());
}

}  // namespace

absl::Status MergeTokenizerConfig(absl::string_view text,
                                  TokenizerConfig* config) {
  MOE_ASSIGN_OR_RETURN(const base::SortedJson document,
                       base::ParseSortedJson(text));
  const JsonNode root(document);
  MOE_RETURN_IF_ERROR(ReadNamedTokens(root, config));
  MOE_RETURN_IF_ERROR(ReadAdditionalTokens(root, config));
  TakeNames(*config, config);
  if (config->tokenizer_class.empty()) {
    MOE_ASSIGN_OR_RETURN(const std::optional<std::string> name,
                         root.FindString("tokenizer_class"));
    config->tokenizer_class = name.value_or("");
  }
  for (const auto& [field, flag] :
       {std::pair("add_bos_token", &config->add_bos_token),
        std::pair("add_eos_token", &config->add_eos_token),
        std::pair("legacy", &config->legacy),
        std::pair("add_prefix_space", &config->add_prefix_space)}) {
    if (flag->has_value()) continue;
    MOE_ASSIGN_OR_RETURN(*flag, root.FindBool(field));
  }
  return MergeAddedTokensDecoder(root, config);
}

absl::Status MergeSpecialTokensMap(absl::string_view text,
                                   TokenizerConfig* config) {
  MOE_ASSIGN_OR_RETURN(const base::SortedJson document,
                       base::ParseSortedJson(text));
  const JsonNode root(document);
  TokenizerConfig map;
  MOE_RETURN_IF_ERROR(ReadNamedTokens(root, &map));
  MOE_RETURN_IF_ERROR(ReadAdditionalTokens(root, &map));
  if (config->has_added_tokens_decoder) {
    TakeNames(map, config);
    return absl::OkStatus();
  }
  TakeNames(map, &map);
  TakeNames(*config, &map);
  config->bos_token = map.bos_token;
  config->eos_token = map.eos_token;
  config->unk_token = map.unk_token;
  for (auto& [field, token] : map.named_tokens) {
    config->named_tokens[field] = std::move(token);
  }
  for (const auto& [from, to] :
       {std::pair(&map.additional_tokens, &config->additional_tokens),
        std::pair(&map.extra_tokens, &config->extra_tokens)}) {
    to->insert(to->end(), from->begin(), from->end());
  }
  return CheckBudget(*config);
}

absl::Status MergeAddedTokens(absl::string_view text, TokenizerConfig* config) {
  MOE_ASSIGN_OR_RETURN(const base::SortedJson document,
                       base::ParseSortedJson(text));
  const JsonNode root(document);
  if (!document.is_object()) return root.WrongType("an object");
  absl::flat_hash_map<std::string, size_t> known = IndexByContent(*config);
  for (const auto& [content, value] : document.items()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode node, root.Get(content));
    MOE_ASSIGN_OR_RETURN(const int64_t id, node.AsInt(0, kMaxConfigId));
    if (content.empty() ||
        !known.emplace(content, config->added_tokens.size()).second) {
      continue;
    }
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = content;
    config->added_tokens.push_back(std::move(token));
  }
  return CheckBudget(*config);
}

}  // namespace moe::text
