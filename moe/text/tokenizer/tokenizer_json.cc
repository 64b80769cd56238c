#include "moe/text/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/bpe_tokenizer.h"
#include "moe/text/tokenizer/config_tokens.h"
#include "moe/text/tokenizer/decoder.h"
#include "moe/text/tokenizer/json_node.h"
#include "moe/text/tokenizer/normalizer.h"
#include "moe/text/tokenizer/post_processor.h"
#include "moe/text/tokenizer/pre_tokenizer.h"
#include "moe/text/tokenizer/text_ends.h"
#include "moe/text/tokenizer/token_id.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "moe/text/tokenizer/tokenizer_config.h"
#include "moe/text/tokenizer/tokenizer_json_parts.h"

namespace moe::text {
namespace {

absl::Status CheckVersion(const JsonNode& root) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                       root.FindEvenNull("version"));
  if (!node.has_value()) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const std::string version, node->AsString());
  if (version == "1.0") return absl::OkStatus();
  return node->UnknownType(version, "1.0");
}

absl::Status CheckFields(const JsonNode& root) {
  MOE_RETURN_IF_ERROR(root.OnlyFields(
      {"version", "truncation", "padding", "added_tokens", "normalizer",
       "pre_tokenizer", "post_processor", "decoder", "model"}));
  MOE_RETURN_IF_ERROR(CheckVersion(root));
  for (const auto& [field, check] : {std::pair("truncation", &CheckTruncation),
                                     std::pair("padding", &CheckPadding)}) {
    MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node, root.Find(field));
    if (node.has_value()) MOE_RETURN_IF_ERROR(check(*node));
  }
  return absl::OkStatus();
}

void TakeAddPrefixSpace(const TokenizerNames& names,
                        base::SortedJson* document) {
  if (!names.add_prefix_space.has_value() || !document->is_object()) return;
  const auto found = document->find("pre_tokenizer");
  if (found == document->end() || !found->is_object()) return;
  const auto type = found->find("type");
  if (type != found->end() && *type == "ByteLevel") {
    (*found)["add_prefix_space"] = *names.add_prefix_space;
  }
}

// Parses the field, or returns `otherwise` if it is absent or null.
template <typename T, typename Parse>
absl::StatusOr<T> ParseOr(const JsonNode& root, absl::string_view field,
                          T otherwise, Parse parse) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node, root.Find(field));
  if (!node.has_value()) return otherwise;
  return parse(*node);
}

absl::StatusOr<std::vector<AddedToken>> FindAddedTokens(const JsonNode& root,
                                                        const BpeModel& model) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node,
                       root.FindEvenNull("added_tokens"));
  if (!node.has_value()) return std::vector<AddedToken>();
  return ParseAddedTokens(*node, model);
}

// The ids and names of a tokenizer's tokens.
class Vocabulary {
 public:
  Vocabulary(const BpeModel& model, const std::vector<AddedToken>& added)
      : model_(model), added_(added) {}

  int64_t size() const {
    auto size = static_cast<int64_t>(model_.tokens().size());
    for (const AddedToken& token : added_) {
      size = std::max(size, int64_t{token.id} + 1);
    }
    return size;
  }

  std::optional<int32_t> IdOf(const std::optional<std::string>& name) const {
    if (!name.has_value()) return std::nullopt;
    for (const AddedToken& token : added_) {
      if (token.content == *name) return token.id;
    }
    return model_.TokenToId(*name);
  }

  std::string NameOf(int32_t id) const {
    for (const AddedToken& token : added_) {
      if (token.id == id) return token.content;
    }
    const auto slot = static_cast<size_t>(id);
    const auto& tokens = model_.tokens();
    return slot < tokens.size() ? tokens[slot].value_or("") : "";
  }

 private:
  const BpeModel& model_;
  const std::vector<AddedToken>& added_;
};

// A class that makes a post-processor names the tokens in it.
void TakeClassNames(const TokenizerConfig& config, TokenizerNames* names,
                    std::string* changes) {
  const TokenizerClass& of = FindTokenizerClass(config.tokenizer_class);
  if (!of.makes_post_processor) return;
  const auto take = [&](const char* field, absl::string_view name,
                        std::optional<std::string>* token) {
    if (token->has_value() || config.named_tokens.count(field) > 0) return;
    *token = std::string(name);
    absl::StrAppend(changes, field, " of the class\n");
  };
  take("bos_token", of.bos_token, &names->bos_token);
  take("eos_token", of.eos_token, &names->eos_token);
}

absl::StatusOr<PostProcessor> MakePostProcessor(const JsonNode& root,
                                                const Vocabulary& vocabulary,
                                                const TokenizerNames& names,
                                                const TokenizerConfig& config,
                                                const TextEnds& ends,
                                                std::string* changes) {
  MOE_ASSIGN_OR_RETURN(
      const PostProcessor of_file,
      ParseOr(root, "post_processor", PostProcessor::Identity(),
              [&](const JsonNode& node) {
                return ParsePostProcessor(node, vocabulary.size());
              }));
  MOE_ASSIGN_OR_RETURN(
      PostProcessor chosen,
      ChooseTextEnds(of_file, {&config, ends, vocabulary.IdOf(names.bos_token),
                               vocabulary.IdOf(names.eos_token),
                               [&vocabulary](int32_t id) {
                                 return vocabulary.NameOf(id);
                               }}));
  if (chosen.IdsBefore() != of_file.IdsBefore() ||
      chosen.IdsBehind() != of_file.IdsBehind()) {
    absl::StrAppend(changes, "before ", absl::StrJoin(chosen.IdsBefore(), " "),
                    " behind ", absl::StrJoin(chosen.IdsBehind(), " "), "\n");
  }
  return chosen;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BpeTokenizer>> ParseTokenizerJson(
    absl::string_view text, const TokenizerNames& names,
    const TokenizerConfig& config, const TextEnds& ends) {
  MOE_ASSIGN_OR_RETURN(base::SortedJson document, base::ParseSortedJson(text));
  TakeAddPrefixSpace(names, &document);
  const JsonNode root(document);
  MOE_RETURN_IF_ERROR(CheckFields(root));
  MOE_ASSIGN_OR_RETURN(
      Normalizer normalizer,
      ParseOr(root, "normalizer", Normalizer({}), ParseNormalizer));
  MOE_ASSIGN_OR_RETURN(
      ParsedPreTokenizer parsed,
      ParseOr(root, "pre_tokenizer",
              ParsedPreTokenizer{PreTokenizer({}), false}, ParsePreTokenizer));
  MOE_ASSIGN_OR_RETURN(const JsonNode model_node, root.Get("model"));
  MOE_ASSIGN_OR_RETURN(BpeSpec spec, ParseBpe(model_node));
  spec.words_are_bytes = parsed.words_are_bytes;
  absl::StatusOr<BpeModel> model = BpeModel::Create(spec);
  if (!model.ok()) return base::Annotate(model.status(), model_node.path());
  MOE_ASSIGN_OR_RETURN(std::vector<AddedToken> added,
                       FindAddedTokens(root, *model));
  std::string changes = AddConfigTokens(config, *model, &added);
  TokenizerNames all_names = names;
  TakeClassNames(config, &all_names, &changes);
  MOE_ASSIGN_OR_RETURN(PostProcessor post_processor,
                       MakePostProcessor(root, Vocabulary(*model, added),
                                         all_names, config, ends, &changes));
  all_names.digest = DigestWith(std::move(all_names.digest), changes);
  MOE_ASSIGN_OR_RETURN(
      std::optional<Decoder> decoder,
      ParseOr(root, "decoder", std::optional<Decoder>(), ParseDecoder));
  return BpeTokenizer::Create(
      {*std::move(model), std::move(added), std::move(normalizer),
       std::move(parsed.pre_tokenizer), std::move(post_processor),
       std::move(decoder)},
      all_names);
}

}  // namespace moe::text
