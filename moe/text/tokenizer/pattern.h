// What a tokenizer looks for in texts: a string or a regular expression.
//
// PCRE2 matches regular expressions and compiles them just in time. A match
// that would pass a limit is a ResourceExhausted status, never a wrong answer.
// Not here: groups, replacements.

#ifndef MOE_TEXT_TOKENIZER_PATTERN_H_
#define MOE_TEXT_TOKENIZER_PATTERN_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::text {

// The memory that one thread needs to match any Pattern.
class RegexScratch {
 public:
  RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;
  ~RegexScratch();

 private:
  friend class Pattern;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Immutable; may be used by several threads at once.
class Pattern {
 public:
  // Non-overlapping occurrences of `text`, from the left. An empty text is
  // found between all characters, as the tokenizers package finds it.
  static absl::StatusOr<Pattern> FromString(absl::string_view text);
  // A regular expression in Oniguruma's syntax. Unimplemented if
  // TranslateRegex does not take it, InvalidArgument if PCRE2 finds it
  // malformed.
  static absl::StatusOr<Pattern> FromRegex(absl::string_view regex);
  // A regular expression in PCRE2's syntax.
  static absl::StatusOr<Pattern> FromPcre2(absl::string_view regex);

  // The string looked for; empty for a regular expression.
  const std::string& literal() const { return literal_; }

  // Calls `use(begin, end)` for every match in the well-formed `text`, from
  // left to right, as the tokenizers package finds them: an empty match
  // directly after another match does not count, and the search goes on one
  // character later. The first error of `use` or of matching ends it.
  absl::Status ForEachMatch(
      absl::string_view text, RegexScratch& scratch,
      absl::FunctionRef<absl::Status(size_t, size_t)> use) const;

 private:
  struct Code;
  explicit Pattern(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  // The matcher's result at `position`: the number of groups, or an error.
  int MatchAt(absl::string_view text, size_t position,
              RegexScratch& scratch) const;

  std::string literal_;
  std::shared_ptr<const Code> code_;
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_PATTERN_H_
