// What characters are and what they are equivalent to, by utf8proc.
//
// The Unicode version is that of the installed utf8proc (2.8 on Debian 12:
// Unicode 15). Where the tokenizers package was built with another version, the
// two differ on characters that one of them does not know yet, and only there.

#ifndef MOE_TEXT_TOKENIZER_UNICODE_H_
#define MOE_TEXT_TOKENIZER_UNICODE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

// The property White_Space.
bool IsWhitespace(char32_t code_point);

// General category N (Nd, Nl, No).
bool IsNumeric(char32_t code_point);

// The text without white space at its beginning, or its end.
absl::string_view StripLeft(absl::string_view text);
absl::string_view StripRight(absl::string_view text);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// The normal form (UAX #15) of well-formed text. Time is linear but for runs of
// combining marks, whose reordering takes the square of a run's length.
// ResourceExhausted if it does not fit into memory.
absl::StatusOr<std::string> Normalize(absl::string_view text, NormalForm form);

// Each code point's lower-case mapping, by itself: sigma is never final.
std::string Lowercase(absl::string_view text);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_UNICODE_H_
