// Translates Oniguruma's regular expressions, as tokenizer.json holds them, to
// the syntax of PCRE2.
//
// The tokenizers package matches with Oniguruma (Ruby's syntax, UTF-8). The two
// libraries spell much alike that means different things: \s, \w, \v, \h, ^, $,
// a quantifier after {n,m}, case folding to several characters. So the
// translation refuses whatever is not known to mean the same, and spells out
// differences.

#ifndef MOE_TEXT_TOKENIZER_REGEX_TRANSLATION_H_
#define MOE_TEXT_TOKENIZER_REGEX_TRANSLATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::text {

// A pattern for pcre2_compile with PCRE2_UTF, PCRE2_UCP, PCRE2_MULTILINE and
// line feed as the newline. `pattern` is well-formed UTF-8.
//
// Supports: characters, escaped punctuation, \r \n \t \f \v \a \e \x{H}
// \uHHHH, \s \S \d \D \w \W \b \B, \A \z \Z, \p{..} \P{..} \p{^..} of general
// categories and the scripts of kScripts, classes of these, ( (?: (?= (?! (?<=
// (?<! (?> and, over ASCII, (?i: , alternatives, greedy, lazy and possessive
// quantifiers. Unimplemented, with the piece and its offset in bytes, for
// anything else.
absl::StatusOr<std::string> TranslateRegex(absl::string_view pattern);

// A pattern that matches exactly `text`.
std::string QuoteForRegex(absl::string_view text);

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_REGEX_TRANSLATION_H_
