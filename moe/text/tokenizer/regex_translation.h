// Oniguruma's regular expressions, as tokenizer.json holds them, in the syntax
// of PCRE2.
//
// The tokenizers package matches with Oniguruma (Ruby's syntax, UTF-8). Much is
// spelt alike in both and means another thing: \s, \w, \v, \h, ^, $, a
// quantifier after {n,m}, case folding to several characters. So what is not
// known to mean the same is refused by name, and what differs is spelt out.

#ifndef MOE_TEXT_TOKENIZER_REGEX_TRANSLATION_H_
#define MOE_TEXT_TOKENIZER_REGEX_TRANSLATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

// A pattern for pcre2_compile with PCRE2_UTF, PCRE2_UCP, PCRE2_MULTILINE and
// line feed as the newline. `pattern` is well-formed UTF-8.
//
// Taken are: characters, escaped punctuation, \r \n \t \f \v \a \e \x{H}
// \uHHHH, \s \S \d \D \w \W \b \B, \A \z \Z, \p{..} \P{..} \p{^..} of general
// categories and the scripts of kScripts, classes of these, ( (?: (?= (?! (?<=
// (?<! (?> and, over ASCII, (?i: , alternatives, greedy, lazy and possessive
// quantifiers. Unimplemented, with the piece and its offset in bytes, for all
// else.
absl::StatusOr<std::string> TranslateRegex(absl::string_view pattern);

// A pattern that matches exactly `text`.
std::string QuoteForRegex(absl::string_view text);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_REGEX_TRANSLATION_H_
