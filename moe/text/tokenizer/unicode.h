// UTF-8: repairs what a dataset may hold, walks over well-formed text, and says
// what its characters are and what they are equivalent to.
//
// utf8proc knows the characters, in the Unicode version of the installed
// library (2.8 on Debian 12: Unicode 15). If the tokenizers package was built
// with another version, the two differ on characters that one of them does not
// know yet, and only there.

#ifndef MOE_TEXT_TOKENIZER_UNICODE_H_
#define MOE_TEXT_TOKENIZER_UNICODE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::text {

// U+FFFD.
inline constexpr absl::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// Whether the bytes are UTF-8 (Unicode 15, table 3-7: no surrogates, nothing
// overlong, nothing above U+10FFFF). 8 ASCII bytes a step.
bool IsWellFormedUtf8(absl::string_view bytes);

// The bytes with U+FFFD for each maximal subpart of an ill-formed sequence
// (Unicode 15, section 3.9), as Python's errors="replace" and Rust's
// from_utf8_lossy do.
std::string ReplaceIllFormedUtf8(absl::string_view bytes);

struct CodePoint {
  char32_t value;
  size_t num_bytes;
};

// The first code point of well-formed text that is not empty.
CodePoint FirstCodePoint(absl::string_view text);

// The last code point of well-formed text that is not empty.
CodePoint LastCodePoint(absl::string_view text);

// Appends a code point; it must not be a surrogate, nor above U+10FFFF.
void AppendUtf8(char32_t code_point, std::string* text);

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

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_UNICODE_H_
