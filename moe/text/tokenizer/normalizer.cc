#include "moe/text/tokenizer/normalizer.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/pattern.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

// Runs a step.
struct RunNormalizerStep {
  absl::string_view text;
  size_t max_bytes;
  RegexScratch& scratch;

  absl::StatusOr<std::string> operator()(NormalForm form) const {
    // ASCII is in every normal form.
    if (std::all_of(text.begin(), text.end(), [](char c) {
          return absl::ascii_isascii(static_cast<unsigned char>(c));
        })) {
      return std::string(text);
    }
    return Normalize(text, form);
  }
  absl::StatusOr<std::string> operator()(const LowercaseStep&) const {
    return Lowercase(text);
  }
  absl::StatusOr<std::string> operator()(const PrependStep& step) const {
    if (text.empty()) return std::string();
    return absl::StrCat(step.prefix, text);
  }
  absl::StatusOr<std::string> operator()(const ReplaceStep& step) const {
    return ReplaceMatches(step, text, max_bytes, scratch);
  }
  absl::StatusOr<std::string> operator()(const StripStep& step) const {
    absl::string_view stripped = text;
    if (step.left) stripped = StripLeft(stripped);
    if (step.right) stripped = StripRight(stripped);
    return std::string(stripped);
  }
};

bool StepKeepsBeginning(const NormalizerStep& step) {
  if (std::holds_alternative<StripStep>(step)) return false;
  const auto* const replace = std::get_if<ReplaceStep>(&step);
  if (replace == nullptr) return true;
  const std::string& literal = replace->pattern.literal();
  return !replace->content.empty() && !literal.empty() &&
         FirstCodePoint(literal).num_bytes == literal.size();
}

}  // namespace

size_t MaxGrownBytes(size_t size) {
  constexpr size_t kTimes = 64;
  constexpr size_t kAtLeast = 64 << 10;
  constexpr size_t kAtMost = (size_t{1} << 31) - 1;  // As BpeModel takes.
  return std::min(kTimes * size + kAtLeast, kAtMost);
}

absl::StatusOr<std::string> ReplaceMatches(const ReplaceStep& step,
                                           absl::string_view text,
                                           size_t max_bytes,
                                           RegexScratch& scratch) {
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  MOE_RETURN_IF_ERROR(
      step.pattern.ForEachMatch(text, scratch, [&](size_t begin, size_t end) {
        absl::StrAppend(&out, text.substr(done, begin - done), step.content);
        done = end;
        if (out.size() <= max_bytes) return absl::OkStatus();
        return absl::ResourceExhaustedError(
            absl::StrCat("the replacements in a text of ", text.size(),
                         " bytes: expected a result of at most ", max_bytes,
                         " bytes, found more"));
      }));
  absl::StrAppend(&out, text.substr(done));
  return out;
}

bool Normalizer::KeepsBeginning() const {
  return std::all_of(steps_.begin(), steps_.end(), StepKeepsBeginning);
}

absl::StatusOr<std::string> Normalizer::Run(absl::string_view text,
                                            RegexScratch& scratch) const {
  const size_t max_bytes = MaxGrownBytes(text.size());
  std::string current(text);
  for (const NormalizerStep& step : steps_) {
    MOE_ASSIGN_OR_RETURN(
        current,
        std::visit(RunNormalizerStep{current, max_bytes, scratch}, step));
    if (current.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the normalizer of a text of ", text.size(),
                       " bytes: expected a result of at most ", max_bytes,
                       " bytes, found more"));
    }
  }
  return current;
}

}  // namespace moe::text
