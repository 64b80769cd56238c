// UTF-8: repairing what a dataset may hold, and walking over what is well
// formed.
//
// The first step of encoding and the last of decoding. Not here: what a
// character is (unicode.h).

#ifndef MOE_TEXT_TOKENIZER_UTF8_H_
#define MOE_TEXT_TOKENIZER_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace moe {

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

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_UTF8_H_
