// What a Split or Replace looks for: a string or a regular expression.

#ifndef MOE_TEXT_TOKENIZER_PATTERN_H_
#define MOE_TEXT_TOKENIZER_PATTERN_H_

#include <cstddef>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/regex.h"

namespace moe {

// Immutable; may be used by several threads at once.
class Pattern {
 public:
  // Non-overlapping occurrences of `text`, from the left. An empty text is
  // found between all characters, as the tokenizers package finds it.
  static absl::StatusOr<Pattern> FromString(absl::string_view text);
  // Errors of Regex::Create.
  static absl::StatusOr<Pattern> FromRegex(absl::string_view regex);

  // From PCRE2's syntax.
  static absl::StatusOr<Pattern> FromPcre2(absl::string_view regex);

  // The string looked for; empty where it is a regular expression.
  const std::string& literal() const { return literal_; }

  // Calls `use(begin, end)` for every match in the well-formed `text`, from
  // left to right; the first error of `use` or of matching ends it.
  absl::Status ForEachMatch(
      absl::string_view text, RegexScratch& scratch,
      absl::FunctionRef<absl::Status(size_t, size_t)> use) const;

 private:
  Pattern(std::string literal, Regex regex)
      : literal_(std::move(literal)), regex_(std::move(regex)) {}

  std::string literal_;
  Regex regex_;
};

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_PATTERN_H_
