#include "moe/text/tokenizer/text_ends.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/escape_control.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/config_tokens.h"
#include "moe/text/tokenizer/post_processor.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {
namespace {

using Ids = std::vector<int32_t>;

// One of the two ends.
struct TextEnd {
  absl::string_view name;   // "bos" or "eos".
  absl::string_view place;  // "before" or "after".
  Ids of_file;
  std::optional<bool> configured;
  bool by_default;
  std::optional<bool> asked;
  std::optional<int32_t> id;
};

std::string Names(const Ids& ids, const TextEndsInput& input) {
  if (ids.empty()) return "nothing";
  return absl::StrJoin(ids, " ", [&input](std::string* out, int32_t id) {
    absl::StrAppend(out, "\"", input.name_of(id), "\"");
  });
}

void SayDifference(const TextEnd& end, const Ids& by_config, bool class_counts,
                   const TextEndsInput& input) {
  const std::string& name = input.config->tokenizer_class;
  base::SayNotice(absl::StrCat(
      "tokenizer_config.json (tokenizer_class ", name.empty() ? "none" : name,
      ", add_", end.name, "_token ",
      !end.configured.has_value() ? "not set"
      : *end.configured           ? "true"
                                  : "false",
      ", ", end.name, "_token ",
      end.id.has_value() ? absl::StrCat("\"", input.name_of(*end.id), "\"")
                         : "none",
      ") puts ", Names(by_config, input), " ", end.place,
      " a text, but the post-processor of tokenizer.json puts ",
      Names(end.of_file, input), "; ",
      class_counts ? "tokenizer_config.json" : "tokenizer.json",
      " counts, as in transformers 4.57; to choose, give --add_", end.name,
      "=true or --add_", end.name, "=false"));
}

Ids Choose(const TextEnd& end, const TextEndsInput& input) {
  const Ids one = end.id.has_value() ? Ids{*end.id} : Ids{};
  if (end.asked.has_value()) return *end.asked ? one : Ids{};
  const bool class_counts =
      FindTokenizerClass(input.config->tokenizer_class).makes_post_processor;
  std::optional<bool> adds = end.configured;
  if (!adds.has_value() && class_counts) adds = end.by_default;
  // If neither says, the ends can only differ in the token itself.
  if (!adds.has_value()) adds = !end.of_file.empty() && end.id.has_value();
  if (end.of_file == (*adds ? one : Ids{})) return end.of_file;
  const bool says_nothing = !end.configured.has_value() && !class_counts;
  if (says_nothing && !*adds) return end.of_file;
  const bool follows_class = class_counts && (!*adds || end.id.has_value());
  SayDifference(end, *adds ? one : Ids{}, follows_class, input);
  if (!follows_class) return end.of_file;
  return *adds ? one : Ids{};
}

}  // namespace

absl::Status CheckTextEnds(const TextEnds& asked, bool has_bos, bool has_eos) {
  const bool bos_lacks = asked.add_bos.value_or(false) && !has_bos;
  if (!bos_lacks && (has_eos || !asked.add_eos.value_or(false))) {
    return absl::OkStatus();
  }
  const absl::string_view name = bos_lacks ? "bos" : "eos";
  return absl::InvalidArgumentError(
      absl::StrCat("--add_", name, ": expected a tokenizer with the ", name,
                   "_token, found none; name one in tokenizer_config.json, or "
                   "leave --add_",
                   name, " out"));
}

absl::StatusOr<PostProcessor> ChooseTextEnds(const PostProcessor& of_file,
                                             const TextEndsInput& input) {
  MOE_RETURN_IF_ERROR(CheckTextEnds(input.asked, input.bos_id.has_value(),
                                    input.eos_id.has_value()));
  const TokenizerConfig& config = *input.config;
  const TextEnd bos = {"bos",
                       "before",
                       of_file.IdsBefore(),
                       config.add_bos_token,
                       FindTokenizerClass(config.tokenizer_class).add_bos_token,
                       input.asked.add_bos,
                       input.bos_id};
  const TextEnd eos = {"eos",
                       "after",
                       of_file.IdsBehind(),
                       config.add_eos_token,
                       false,
                       input.asked.add_eos,
                       input.eos_id};
  Ids before = Choose(bos, input);
  Ids behind = Choose(eos, input);
  if (before == bos.of_file && behind == eos.of_file) return of_file;
  std::vector<TemplatePiece> pieces;
  if (!before.empty()) pieces.emplace_back(std::move(before));
  pieces.emplace_back(TextPlace{});
  if (!behind.empty()) pieces.emplace_back(std::move(behind));
  return PostProcessor(std::move(pieces));
}

}  // namespace moe::text
