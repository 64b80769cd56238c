#include "moe/text/tokenizer/tokenizer_json_parts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/decoder.h"
#include "moe/text/tokenizer/json_node.h"
#include "moe/text/tokenizer/normalizer.h"
#include "moe/text/tokenizer/pattern.h"
#include "moe/text/tokenizer/pre_tokenizer.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

constexpr char kNormalizers[] =
    "NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, Sequence";
constexpr char kPreTokenizers[] =
    "ByteLevel, Digits, Metaspace, Split, Whitespace, WhitespaceSplit, "
    "Sequence";
constexpr char kDecoders[] =
    "ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip, Sequence";

// \w+|[^\w\s]+ with the sets of the Rust library `regex` (UTS #18, annex C).
constexpr char kWhitespaceRegex[] =
    R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+)"
    R"(|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\x{9}-\x{d}\x{20}\x{85}\p{Z}]+)";

// Each doubles a text at most.
constexpr int kMaxByteLevels = 2;

constexpr uint64_t kMaxSize = std::numeric_limits<uint64_t>::max();

// A name, or an object whose one field has that name and is null.
absl::Status CheckName(const JsonNode& node,
                       absl::Span<const absl::string_view> names) {
  std::string name;
  if (node.value().is_object()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode::Choice choice,
                         node.AsChoice(absl::StrJoin(names, ", ")));
    if (!choice.value.value().is_null()) return choice.value.WrongType("null");
    name = choice.name;
  } else {
    MOE_ASSIGN_OR_RETURN(name, node.AsString());
  }
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    return absl::OkStatus();
  }
  return node.WrongType(absl::StrCat("one of ", absl::StrJoin(names, ", ")));
}

// "BatchLongest", or {"Fixed": a length}.
absl::Status CheckPaddingStrategy(const JsonNode& node) {
  if (node.value().is_object()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode::Choice choice,
                         node.AsChoice("BatchLongest, Fixed"));
    if (choice.name == "Fixed") {
      return choice.value.AsUnsigned(kMaxSize).status();
    }
  }
  return CheckName(node, {"BatchLongest"});
}

absl::Status CheckNumber(const JsonNode& node, absl::string_view field,
                         uint64_t max) {
  MOE_ASSIGN_OR_RETURN(const JsonNode number, node.Get(field));
  return number.AsUnsigned(max).status();
}

template <typename Step>
absl::Status AddStep(const JsonNode& node, Step step,
                     std::vector<Step>* steps) {
  if (steps->size() == kMaxTokenizerSteps) return TooManySteps(node);
  steps->push_back(std::move(step));
  return absl::OkStatus();
}

// Runs `parse(item, steps)` on the items of a Sequence.
template <typename Steps>
absl::Status ParseSequence(const JsonNode& node, absl::string_view field,
                           absl::Status (*parse)(const JsonNode&, Steps*),
                           Steps* steps) {
  MOE_ASSIGN_OR_RETURN(const std::vector<JsonNode> items, node.GetItems(field));
  for (const JsonNode& item : items) MOE_RETURN_IF_ERROR(parse(item, steps));
  return absl::OkStatus();
}

// An error of a pattern, with its place.
template <typename T>
absl::StatusOr<T> At(const JsonNode& node, absl::StatusOr<T> result) {
  if (result.ok()) return result;
  return base::Annotate(result.status(), node.path());
}

// {"String": …} or {"Regex": …}.
absl::StatusOr<Pattern> ParsePattern(const JsonNode& node) {
  MOE_ASSIGN_OR_RETURN(const JsonNode pattern, node.Get("pattern"));
  MOE_ASSIGN_OR_RETURN(const JsonNode::Choice choice,
                       pattern.AsChoice("String, Regex"));
  MOE_ASSIGN_OR_RETURN(const std::string text, choice.value.AsString());
  if (choice.name == "Regex") {
    return At(choice.value, Pattern::FromRegex(text));
  }
  if (choice.name == "String") return At(pattern, Pattern::FromString(text));
  return pattern.WrongType("an object with one field of String, Regex");
}

absl::StatusOr<ReplaceStep> ParseReplace(const JsonNode& node) {
  MOE_ASSIGN_OR_RETURN(Pattern pattern, ParsePattern(node));
  MOE_ASSIGN_OR_RETURN(std::string content, node.GetString("content"));
  return ReplaceStep{std::move(pattern), std::move(content)};
}

absl::StatusOr<NormalizerStep> ParseNormalizerStep(const JsonNode& node,
                                                   absl::string_view type) {
  if (type == "NFC") return NormalForm::kNfc;
  if (type == "NFD") return NormalForm::kNfd;
  if (type == "NFKC") return NormalForm::kNfkc;
  if (type == "NFKD") return NormalForm::kNfkd;
  if (type == "Lowercase") return LowercaseStep{};
  if (type == "Prepend") {
    MOE_ASSIGN_OR_RETURN(std::string prefix, node.GetString("prepend"));
    return PrependStep{std::move(prefix)};
  }
  if (type == "Replace") return ParseReplace(node);
  if (type == "Strip") {
    MOE_ASSIGN_OR_RETURN(const bool left, node.GetBool("strip_left"));
    MOE_ASSIGN_OR_RETURN(const bool right, node.GetBool("strip_right"));
    return StripStep{left, right};
  }
  return node.UnknownType(type, kNormalizers);
}

absl::Status AddNormalizerSteps(const JsonNode& node,
                                std::vector<NormalizerStep>* steps) {
  MOE_ASSIGN_OR_RETURN(const std::string type, node.GetString("type"));
  if (type == "Sequence") {
    return ParseSequence(node, "normalizers", AddNormalizerSteps, steps);
  }
  MOE_ASSIGN_OR_RETURN(NormalizerStep step, ParseNormalizerStep(node, type));
  return AddStep(node, std::move(step), steps);
}

absl::StatusOr<SplitStep> ParseSplit(const JsonNode& node) {
  constexpr struct {
    absl::string_view name;
    SplitBehavior behavior;
  } kBehaviors[] = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  };
  MOE_ASSIGN_OR_RETURN(Pattern pattern, ParsePattern(node));
  MOE_ASSIGN_OR_RETURN(const bool invert, node.GetBool("invert"));
  MOE_ASSIGN_OR_RETURN(const JsonNode behavior_node, node.Get("behavior"));
  MOE_ASSIGN_OR_RETURN(const std::string name, behavior_node.AsString());
  for (const auto& behavior : kBehaviors) {
    if (behavior.name == name) {
      return SplitStep{std::move(pattern), behavior.behavior, invert};
    }
  }
  return behavior_node.WrongType(
      "one of Removed, Isolated, MergedWithPrevious, MergedWithNext, "
      "Contiguous");
}

absl::StatusOr<MetaspaceStep> ParseMetaspace(const JsonNode& node) {
  // In the order of PrependScheme.
  constexpr absl::string_view kSchemes[] = {"always", "first", "never"};
  MetaspaceStep fields;
  MOE_ASSIGN_OR_RETURN(const JsonNode replacement, node.Get("replacement"));
  MOE_ASSIGN_OR_RETURN(fields.replacement, replacement.AsCharacter());
  std::string scheme = "always";
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> scheme_node,
                       node.FindEvenNull("prepend_scheme"));
  if (scheme_node.has_value()) {
    MOE_ASSIGN_OR_RETURN(scheme, scheme_node->AsString());
  }
  const auto* const known = std::find(std::begin(kSchemes), std::end(kSchemes),
                                      absl::string_view(scheme));
  if (known == std::end(kSchemes)) {
    return scheme_node->WrongType("one of always, first, never");
  }
  fields.prepend_scheme = static_cast<PrependScheme>(known - kSchemes);
  MOE_ASSIGN_OR_RETURN(const bool adds_space,
                       node.GetBoolOr("add_prefix_space", true));
  if (!adds_space && fields.prepend_scheme != PrependScheme::kNever) {
    return node.Error(
        absl::StrCat("expected the prepend_scheme never beside "
                     "the add_prefix_space false, found ",
                     scheme));
  }
  MOE_ASSIGN_OR_RETURN(fields.split, node.GetBoolOr("split", true));
  return fields;
}

absl::Status AddByteLevelSteps(const JsonNode& node,
                               std::vector<PreTokenizerStep>* steps) {
  MOE_ASSIGN_OR_RETURN(const ByteLevelFields fields, ParseByteLevel(node));
  if (fields.add_prefix_space) {
    MOE_RETURN_IF_ERROR(
        AddStep<PreTokenizerStep>(node, PrefixSpaceStep{}, steps));
  }
  if (fields.use_regex) {
    MOE_ASSIGN_OR_RETURN(Pattern pattern, Pattern::FromRegex(kGpt2Regex));
    MOE_RETURN_IF_ERROR(AddStep<PreTokenizerStep>(
        node, SplitStep{std::move(pattern), SplitBehavior::kIsolated, false},
        steps));
  }
  return AddStep<PreTokenizerStep>(node, ByteAlphabetStep{}, steps);
}

absl::StatusOr<PreTokenizerStep> ParsePreTokenizerStep(const JsonNode& node,
                                                       absl::string_view type) {
  if (type == "Digits") {
    MOE_ASSIGN_OR_RETURN(const bool individual,
                         node.GetBool("individual_digits"));
    return DigitsStep{individual};
  }
  if (type == "Metaspace") return ParseMetaspace(node);
  if (type == "Split") return ParseSplit(node);
  if (type == "Whitespace") {
    // What is neither a word nor a run of other characters is dropped.
    MOE_ASSIGN_OR_RETURN(Pattern pattern, Pattern::FromPcre2(kWhitespaceRegex));
    return SplitStep{std::move(pattern), SplitBehavior::kRemoved, true};
  }
  if (type == "WhitespaceSplit") return WhitespaceSplitStep{};
  return node.UnknownType(type, kPreTokenizers);
}

absl::Status AddPreTokenizerSteps(const JsonNode& node,
                                  std::vector<PreTokenizerStep>* steps) {
  MOE_ASSIGN_OR_RETURN(const std::string type, node.GetString("type"));
  if (type == "Sequence") {
    return ParseSequence(node, "pretokenizers", AddPreTokenizerSteps, steps);
  }
  if (type == "ByteLevel") return AddByteLevelSteps(node, steps);
  MOE_ASSIGN_OR_RETURN(PreTokenizerStep step,
                       ParsePreTokenizerStep(node, type));
  return AddStep(node, std::move(step), steps);
}

absl::StatusOr<DecoderStep> ParseDecoderStep(const JsonNode& node,
                                             absl::string_view type) {
  if (type == "ByteFallback") return ByteFallbackDecoder{};
  if (type == "ByteLevel") {
    MOE_RETURN_IF_ERROR(ParseByteLevel(node).status());
    return ByteLevelDecoder{};
  }
  if (type == "Fuse") return FuseDecoder{};
  if (type == "Metaspace") {
    MOE_ASSIGN_OR_RETURN(MetaspaceStep fields, ParseMetaspace(node));
    return MetaspaceDecoder{std::move(fields.replacement),
                            fields.prepend_scheme != PrependScheme::kNever};
  }
  if (type == "Replace") return ParseReplace(node);
  if (type == "Strip") {
    constexpr int64_t kMaxCount = std::numeric_limits<int32_t>::max();
    MOE_ASSIGN_OR_RETURN(const JsonNode content, node.Get("content"));
    MOE_ASSIGN_OR_RETURN(std::string character, content.AsCharacter());
    MOE_ASSIGN_OR_RETURN(const JsonNode start_node, node.Get("start"));
    MOE_ASSIGN_OR_RETURN(const int64_t start, start_node.AsInt(0, kMaxCount));
    MOE_ASSIGN_OR_RETURN(const JsonNode stop_node, node.Get("stop"));
    MOE_ASSIGN_OR_RETURN(const int64_t stop, stop_node.AsInt(0, kMaxCount));
    return StripDecoder{std::move(character), static_cast<size_t>(start),
                        static_cast<size_t>(stop)};
  }
  return node.UnknownType(type, kDecoders);
}

absl::Status AddDecoderSteps(const JsonNode& node,
                             std::vector<DecoderStep>* steps) {
  MOE_ASSIGN_OR_RETURN(const std::string type, node.GetString("type"));
  if (type == "Sequence") {
    return ParseSequence(node, "decoders", AddDecoderSteps, steps);
  }
  MOE_ASSIGN_OR_RETURN(DecoderStep step, ParseDecoderStep(node, type));
  return AddStep(node, std::move(step), steps);
}

absl::StatusOr<std::pair<std::string, std::string>> ParseMerge(
    const JsonNode& node) {
  if (node.value().is_string()) {
    MOE_ASSIGN_OR_RETURN(const std::string text, node.AsString());
    const size_t space = text.find(' ');
    if (space == std::string::npos ||
        text.find(' ', space + 1) != std::string::npos) {
      return node.WrongType("two tokens with a space between");
    }
    return std::make_pair(text.substr(0, space), text.substr(space + 1));
  }
  MOE_ASSIGN_OR_RETURN(const std::vector<JsonNode> items, node.Items());
  if (items.size() != 2) return node.WrongType("two tokens");
  MOE_ASSIGN_OR_RETURN(std::string left, items[0].AsString());
  MOE_ASSIGN_OR_RETURN(std::string right, items[1].AsString());
  return std::make_pair(std::move(left), std::move(right));
}

absl::Status ParseMerges(const JsonNode& node, BpeSpec* spec) {
  MOE_ASSIGN_OR_RETURN(const std::vector<JsonNode> items,
                       node.GetItems("merges"));
  const bool are_lines = !items.empty() && items[0].value().is_string();
  for (const JsonNode& item : items) {
    if (item.value().is_string() != are_lines) {
      return item.WrongType("a merge written as the first one is");
    }
    // The first line of a merges.txt.
    if (are_lines &&
        absl::StartsWith(item.value().get_ref<const std::string&>(),
                         "#version")) {
      continue;
    }
    MOE_ASSIGN_OR_RETURN(auto merge, ParseMerge(item));
    spec->merges.push_back(std::move(merge));
  }
  return absl::OkStatus();
}

absl::Status ParseVocab(const JsonNode& node, BpeSpec* spec) {
  MOE_ASSIGN_OR_RETURN(const JsonNode vocab, node.Get("vocab"));
  if (!vocab.value().is_object()) return vocab.WrongType("an object");
  for (const auto& [token, id] : vocab.value().items()) {
    if (!id.is_number_unsigned() ||
        id.get<uint64_t>() > uint64_t{std::numeric_limits<int32_t>::max()}) {
      return vocab.Error(absl::StrCat("expected the id of the token \"", token,
                                      "\" to be a whole number of at least 0, "
                                      "found ",
                                      id.dump()));
    }
    spec->vocab.emplace_back(token, id.get<int32_t>());
  }
  return absl::OkStatus();
}

// Takes a field that is absent, null or empty.
absl::Status RefuseText(const JsonNode& node, absl::string_view field) {
  MOE_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                       node.FindString(field));
  if (text.value_or("").empty()) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat(node.path(), "/", field, ": expected none, found \"", *text,
                   "\", which is not "
                   "implemented"));
}

absl::Status RefuseDropout(const JsonNode& node) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> dropout,
                       node.Find("dropout"));
  if (!dropout.has_value()) return absl::OkStatus();
  if (!dropout->value().is_number()) return dropout->WrongType("null");
  if (dropout->value().get<double>() == 0) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat(dropout->path(),
                   ": expected null, found a dropout, which is not "
                   "implemented; set it to null"));
}

absl::StatusOr<AddedToken> ParseAddedToken(const JsonNode& node) {
  AddedToken token;
  MOE_ASSIGN_OR_RETURN(token.content, node.GetString("content"));
  MOE_ASSIGN_OR_RETURN(token.single_word, node.GetBool("single_word"));
  MOE_ASSIGN_OR_RETURN(token.lstrip, node.GetBool("lstrip"));
  MOE_ASSIGN_OR_RETURN(token.rstrip, node.GetBool("rstrip"));
  MOE_ASSIGN_OR_RETURN(token.normalized, node.GetBool("normalized"));
  MOE_ASSIGN_OR_RETURN(token.special, node.GetBool("special"));
  MOE_ASSIGN_OR_RETURN(const JsonNode id, node.Get("id"));
  MOE_ASSIGN_OR_RETURN(const int64_t value,
                       id.AsInt(0, std::numeric_limits<int32_t>::max()));
  token.id = static_cast<int32_t>(value);
  return token;
}

}  // namespace

absl::Status TooManySteps(const JsonNode& node) {
  return absl::ResourceExhaustedError(
      absl::StrCat(node.path(), ": expected at most ", kMaxTokenizerSteps,
                   " steps, found more"));
}

absl::StatusOr<ByteLevelFields> ParseByteLevel(const JsonNode& node) {
  ByteLevelFields fields;
  MOE_ASSIGN_OR_RETURN(fields.add_prefix_space,
                       node.GetBool("add_prefix_space"));
  MOE_RETURN_IF_ERROR(node.GetBool("trim_offsets").status());
  fields.use_regex = true;
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> use_regex,
                       node.FindEvenNull("use_regex"));
  if (use_regex.has_value()) {
    MOE_ASSIGN_OR_RETURN(fields.use_regex, use_regex->AsBool());
  }
  return fields;
}

absl::Status CheckTruncation(const JsonNode& node) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> direction,
                       node.FindEvenNull("direction"));
  if (direction.has_value()) {
    MOE_RETURN_IF_ERROR(CheckName(*direction, {"Left", "Right"}));
  }
  MOE_ASSIGN_OR_RETURN(const JsonNode strategy, node.Get("strategy"));
  MOE_RETURN_IF_ERROR(
      CheckName(strategy, {"LongestFirst", "OnlyFirst", "OnlySecond"}));
  MOE_RETURN_IF_ERROR(CheckNumber(node, "max_length", kMaxSize));
  return CheckNumber(node, "stride", kMaxSize);
}

absl::Status CheckPadding(const JsonNode& node) {
  MOE_ASSIGN_OR_RETURN(const JsonNode strategy, node.Get("strategy"));
  MOE_RETURN_IF_ERROR(CheckPaddingStrategy(strategy));
  MOE_ASSIGN_OR_RETURN(const JsonNode direction, node.Get("direction"));
  MOE_RETURN_IF_ERROR(CheckName(direction, {"Left", "Right"}));
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> multiple,
                       node.Find("pad_to_multiple_of"));
  if (multiple.has_value()) {
    MOE_RETURN_IF_ERROR(multiple->AsUnsigned(kMaxSize).status());
  }
  MOE_RETURN_IF_ERROR(CheckNumber(node, "pad_id", kMaxUint32));
  MOE_RETURN_IF_ERROR(CheckNumber(node, "pad_type_id", kMaxUint32));
  return node.GetString("pad_token").status();
}

absl::StatusOr<Normalizer> ParseNormalizer(const JsonNode& node) {
  std::vector<NormalizerStep> steps;
  MOE_RETURN_IF_ERROR(AddNormalizerSteps(node, &steps));
  return Normalizer(std::move(steps));
}

absl::StatusOr<ParsedPreTokenizer> ParsePreTokenizer(const JsonNode& node) {
  std::vector<PreTokenizerStep> steps;
  MOE_RETURN_IF_ERROR(AddPreTokenizerSteps(node, &steps));
  const auto num_byte_levels =
      std::count_if(steps.begin(), steps.end(), [](const auto& step) {
        return std::holds_alternative<ByteAlphabetStep>(step);
      });
  if (num_byte_levels > kMaxByteLevels) {
    return absl::UnimplementedError(
        absl::StrCat(node.path(), ": expected at most ", kMaxByteLevels,
                     " ByteLevel, found ", num_byte_levels));
  }
  const bool words_are_bytes =
      !steps.empty() && std::holds_alternative<ByteAlphabetStep>(steps.back());
  if (words_are_bytes) steps.pop_back();
  return ParsedPreTokenizer{PreTokenizer(std::move(steps)), words_are_bytes};
}

absl::StatusOr<Decoder> ParseDecoder(const JsonNode& node) {
  std::vector<DecoderStep> steps;
  MOE_RETURN_IF_ERROR(AddDecoderSteps(node, &steps));
  return Decoder(std::move(steps));
}

absl::StatusOr<BpeSpec> ParseBpe(const JsonNode& node) {
  // Files of the package's first versions do not name a type; with merges, they
  // are BPE.
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> type,
                       node.FindEvenNull("type"));
  if (type.has_value()) {
    MOE_ASSIGN_OR_RETURN(const std::string name, type->AsString());
    if (name != "BPE") return node.UnknownType(name, "BPE");
  }
  MOE_RETURN_IF_ERROR(RefuseDropout(node));
  MOE_RETURN_IF_ERROR(RefuseText(node, "continuing_subword_prefix"));
  MOE_RETURN_IF_ERROR(RefuseText(node, "end_of_word_suffix"));
  BpeSpec spec;
  MOE_ASSIGN_OR_RETURN(spec.unk_token, node.FindString("unk_token"));
  MOE_ASSIGN_OR_RETURN(spec.fuse_unk, node.GetBoolOr("fuse_unk", false));
  MOE_ASSIGN_OR_RETURN(spec.byte_fallback,
                       node.GetBoolOr("byte_fallback", false));
  MOE_ASSIGN_OR_RETURN(spec.ignore_merges,
                       node.GetBoolOr("ignore_merges", false));
  MOE_RETURN_IF_ERROR(ParseVocab(node, &spec));
  MOE_RETURN_IF_ERROR(ParseMerges(node, &spec));
  return spec;
}

absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(
    const JsonNode& node, const BpeModel& model) {
  MOE_ASSIGN_OR_RETURN(const std::vector<JsonNode> items, node.Items());
  std::vector<AddedToken> tokens;
  absl::flat_hash_map<std::string, size_t> seen;
  AddedTokenBudget budget;
  auto next_id = static_cast<int32_t>(model.num_tokens());
  for (const JsonNode& item : items) {
    MOE_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(item));
    if (token.content.empty()) continue;
    const auto [known, is_new] = seen.emplace(token.content, tokens.size());
    if (!is_new) {
      if (SameFlags(tokens[known->second], token)) continue;
      return item.Error(absl::StrCat("expected the added token \"",
                                     token.content,
                                     "\" once, found it again with other "
                                     "flags"));
    }
    if (const auto id = model.TokenToId(token.content)) {
      token.id = *id;
    } else {
      token.id = next_id++;
      const auto& vocab = model.tokens();
      const auto index = static_cast<size_t>(token.id);
      if (index < vocab.size() && vocab[index].has_value()) {
        return item.Error(absl::StrCat(
            "expected a free id for the added token \"", token.content,
            "\", found ", token.id, ", which is the id of \"", *vocab[index],
            "\" because the vocabulary leaves out lower ids"));
      }
    }
    const absl::Status status = budget.Spend(token.content);
    if (!status.ok()) return base::Annotate(status, item.path());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace moe::text
