#include "moe/text/tokenizer/config_tokens.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/escape_control.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {
namespace {

constexpr char kEndOfText[] = "<|endoftext|>";
constexpr TokenizerClass kPlain = {};
constexpr TokenizerClass kClasses[] = {
    {"LlamaTokenizer", "<s>", "</s>", "<unk>", "", true, true},
    {"CodeLlamaTokenizer", "<s>", "</s>", "<unk>", "", true, true},
    {"GemmaTokenizer", "<bos>", "<eos>", "<unk>", "<pad>", true, true},
    {"CohereTokenizer", "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<UNK>", "",
     true, true},
    {"GPTNeoXTokenizer", kEndOfText, kEndOfText, kEndOfText, "", true, false},
    {"GPT2Tokenizer", kEndOfText, kEndOfText, kEndOfText, "", false, false},
    {"Qwen2Tokenizer", "", kEndOfText, kEndOfText, kEndOfText, false, false},
};

// The tokens that CodeLlamaTokenizer has for completing code.
constexpr absl::string_view kCodeLlamaTokens[] = {
    "\xE2\x96\x81<PRE>", "\xE2\x96\x81<MID>", "\xE2\x96\x81<SUF>",
    "\xE2\x96\x81<EOT>"};

SpecialToken Named(absl::string_view content) {
  SpecialToken special;
  special.token.content = std::string(content);
  special.token.special = true;
  return special;
}

absl::string_view DefaultName(const TokenizerClass& of,
                              absl::string_view field) {
  if (field == "bos_token") return of.bos_token;
  if (field == "eos_token") return of.eos_token;
  if (field == "unk_token") return of.unk_token;
  if (field == "pad_token") return of.pad_token;
  return "";
}

// Tokens by their content: a named token takes its flags from here.
using KnownTokens = absl::flat_hash_map<std::string, AddedToken>;

// The named tokens in their order, with the flags that they have in `known`.
std::vector<SpecialToken> NamedTokens(const TokenizerConfig& config,
                                      const KnownTokens& known) {
  const TokenizerClass& of = FindTokenizerClass(config.tokenizer_class);
  std::vector<SpecialToken> named;
  for (const absl::string_view field : kNamedTokens) {
    const auto found = config.named_tokens.find(std::string(field));
    if (found == config.named_tokens.end()) {
      named.push_back(Named(DefaultName(of, field)));
    } else if (found->second.has_value()) {
      const auto same = known.find(found->second->token.content);
      named.push_back(same == known.end() ? *found->second
                                          : SpecialToken{same->second, true});
    }
  }
  return named;
}

std::vector<SpecialToken> AdditionalTokens(const TokenizerConfig& config) {
  std::vector<SpecialToken> additional = config.additional_tokens;
  if (FindTokenizerClass(config.tokenizer_class).name == "CodeLlamaTokenizer") {
    for (const absl::string_view token : kCodeLlamaTokens) {
      additional.push_back(Named(token));
    }
  }
  return additional;
}

// All special tokens in the order in which transformers adds them. Leaves out a
// token that an earlier field has, but keeps repeats in the list of additional
// tokens.
std::vector<SpecialToken> TokensOfConfig(const TokenizerConfig& config,
                                         const KnownTokens& known) {
  std::vector<SpecialToken> all;
  absl::flat_hash_set<std::string> seen;
  const auto add_first = [&](const std::vector<SpecialToken>& tokens) {
    for (const SpecialToken& special : tokens) {
      if (seen.insert(special.token.content).second) all.push_back(special);
    }
  };
  add_first(NamedTokens(config, known));
  const std::vector<SpecialToken> additional = AdditionalTokens(config);
  for (const SpecialToken& special : additional) {
    if (!seen.contains(special.token.content)) all.push_back(special);
  }
  for (const SpecialToken& special : additional) {
    seen.insert(special.token.content);
  }
  add_first(config.extra_tokens);
  return all;
}

// The names in the files, without those of a class.
absl::flat_hash_set<std::string> NamesInFiles(const TokenizerConfig& config) {
  absl::flat_hash_set<std::string> names;
  for (const auto& [field, named] : config.named_tokens) {
    if (named.has_value()) names.insert(named->token.content);
  }
  for (const SpecialToken& special : config.additional_tokens) {
    names.insert(special.token.content);
  }
  return names;
}

// The tokens of added_tokens_decoder, by id; without one, those of
// added_tokens.json and of the tokenizer.json, which wins where both have an
// id.
std::map<int32_t, AddedToken> TokensWithIds(
    const TokenizerConfig& config, const std::vector<AddedToken>& of_file) {
  std::map<int32_t, AddedToken> by_id;
  for (const AddedToken& token : config.added_tokens) by_id[token.id] = token;
  if (config.has_added_tokens_decoder) return by_id;
  const absl::flat_hash_set<std::string> in_files = NamesInFiles(config);
  for (auto& [id, token] : by_id) {
    token.special = in_files.contains(token.content);
    token.normalized = !token.special;
  }
  for (const AddedToken& token : of_file) by_id[token.id] = token;
  return by_id;
}

// The tokens to add. The id of each is the one in its file, or -1.
std::vector<AddedToken> TokensToAdd(const TokenizerConfig& config,
                                    const std::vector<AddedToken>& of_file) {
  const std::map<int32_t, AddedToken> by_id = TokensWithIds(config, of_file);
  KnownTokens in_file;
  for (const AddedToken& token : of_file) {
    in_file.emplace(token.content, token);
  }
  KnownTokens are_there = in_file;
  KnownTokens of_decoder;
  std::vector<AddedToken> tokens;
  for (const auto& [id, token] : by_id) {
    of_decoder[token.content] = token;
    are_there.emplace(token.content, token);
    tokens.push_back(token);
  }
  const std::vector<SpecialToken> special = TokensOfConfig(
      config, config.has_added_tokens_decoder ? of_decoder : in_file);
  absl::flat_hash_set<std::string> names;
  for (const SpecialToken& token : special) {
    names.insert(token.token.content);
    if (!token.has_flags && are_there.contains(token.token.content)) continue;
    tokens.push_back(token.token);
    tokens.back().id = -1;
  }
  for (AddedToken& token : tokens) {
    token.special = token.special || names.contains(token.content);
  }
  return tokens;
}

// Adds tokens to those of a tokenizer as the tokenizers package does.
class TokenAdder {
 public:
  TokenAdder(const BpeModel& model, std::vector<AddedToken>* tokens)
      : model_(model), tokens_(*tokens) {
    for (size_t i = 0; i < tokens_.size(); ++i) Know(i);
  }

  void Add(AddedToken token) {
    if (token.content.empty()) return;
    const auto known = index_.find(token.content);
    if (known != index_.end()) CheckId(token, tokens_[known->second].id);
    // The package keeps the first special version of a token, and each earlier
    // version that is not special. It finds the token in the text as it is if
    // one of these is not normalized. The other flags are those of the last
    // version that differs from all earlier ones.
    const bool is_settled = special_.contains(token.content);
    if (token.special) special_.insert(token.content);
    if (!versions_.insert(FlagsAndName(token)).second) return;
    if (known != index_.end()) {
      AddedToken& there = tokens_[known->second];
      token.id = there.id;
      token.normalized = there.normalized && (is_settled || token.normalized);
      if (SameFlags(there, token)) return;
      there = std::move(token);
      Note(there);
      return;
    }
    const std::optional<int32_t> in_model = model_.TokenToId(token.content);
    const int32_t id = in_model.value_or(next_id_);
    const auto slot = static_cast<size_t>(id);
    if (!in_model.has_value() && slot < model_.tokens().size() &&
        model_.tokens()[slot].has_value()) {
      base::SayNotice(
          absl::StrCat("the special token \"", token.content,
                       "\" is left out: another token of tokenizer.json "
                       "has its id, ",
                       id, "; add the token to tokenizer.json"));
      return;
    }
    CheckId(token, id);
    token.id = id;
    Note(token);
    tokens_.push_back(std::move(token));
    Know(tokens_.size() - 1);
  }

  std::string TakeChanges() { return std::move(changes_); }

 private:
  void Know(size_t i) {
    index_.emplace(tokens_[i].content, i);
    if (tokens_[i].special) special_.insert(tokens_[i].content);
    versions_.insert(FlagsAndName(tokens_[i]));
    next_id_ = std::max(next_id_, tokens_[i].id + 1);
  }

  static std::string FlagsAndName(const AddedToken& token) {
    return absl::StrCat(token.single_word, token.lstrip, token.rstrip,
                        token.normalized, token.special, token.content);
  }

  void Note(const AddedToken& token) {
    absl::StrAppend(&changes_, token.content.size(), ":", token.content,
                    token.id, " ", token.single_word, token.lstrip,
                    token.rstrip, token.normalized, token.special, "\n");
  }

  static void CheckId(const AddedToken& token, int32_t id) {
    if (token.id < 0 || token.id == id) return;
    base::SayNotice(
        absl::StrCat("the files beside tokenizer.json give the token \"",
                     token.content, "\" the id ", token.id,
                     ", but it gets the id ", id, ", as in transformers 4.57"));
  }

  const BpeModel& model_;
  std::vector<AddedToken>& tokens_;
  absl::flat_hash_map<std::string, size_t> index_;
  absl::flat_hash_set<std::string> special_;   // Tokens with a special version.
  absl::flat_hash_set<std::string> versions_;  // All versions so far.
  int32_t next_id_ = static_cast<int32_t>(model_.num_tokens());
  std::string changes_;
};

}  // namespace

const TokenizerClass& FindTokenizerClass(absl::string_view name) {
  name = absl::StripSuffix(name, "Fast");
  const auto* const found =
      std::find_if(std::begin(kClasses), std::end(kClasses),
                   [name](const TokenizerClass& c) { return c.name == name; });
  return found == std::end(kClasses) ? kPlain : *found;
}

std::string AddConfigTokens(const TokenizerConfig& config,
                            const BpeModel& model,
                            std::vector<AddedToken>* tokens) {
  std::vector<AddedToken> to_add = TokensToAdd(config, *tokens);
  TokenAdder adder(model, tokens);
  for (AddedToken& token : to_add) adder.Add(std::move(token));
  return adder.TakeChanges();
}

}  // namespace moe::text
