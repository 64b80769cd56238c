// Regular expressions of pre-tokenizers and normalizers: PCRE2, compiled just
// in time.
//
// Matching never gives a wrong answer for want of resources: what would pass a
// limit is a ResourceExhausted status. Not here: groups, replacements.

#ifndef MOE_TEXT_TOKENIZER_REGEX_H_
#define MOE_TEXT_TOKENIZER_REGEX_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

// What one thread needs to match; used by one at a time, for any Regex.
class RegexScratch {
 public:
  RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;
  ~RegexScratch();

 private:
  friend class RegexMatches;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Immutable; may be used by several threads at once.
class Regex {
 public:
  // From Oniguruma's syntax (regex_translation.h). Unimplemented where that
  // does not take it, InvalidArgument where PCRE2 finds it malformed.
  static absl::StatusOr<Regex> Create(absl::string_view pattern);
  // From PCRE2's syntax.
  static absl::StatusOr<Regex> CreateFromPcre2(absl::string_view pattern);

 private:
  friend class RegexMatches;
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

// The matches in a well-formed text, from left to right, as the tokenizers
// package finds them: an empty match directly after another match does not
// count, and the search goes on one character later.
//
//   RegexMatches matches(regex, text, scratch);
//   while (matches.Next()) Use(matches.begin(), matches.end());
//   return matches.status();
class RegexMatches {
 public:
  // The arguments must outlive the object.
  RegexMatches(const Regex& regex, absl::string_view text,
               RegexScratch& scratch);

  // False at the end, and after an error.
  bool Next();
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }
  const absl::Status& status() const { return status_; }

 private:
  const Regex::Code& code_;
  const absl::string_view text_;
  RegexScratch::Parts& scratch_;
  size_t position_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool has_match_ = false;
  absl::Status status_;
};

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_REGEX_H_
