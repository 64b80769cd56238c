// The alphabet of byte-level BPE: a visible character for each of the 256
// bytes.
//
// GPT-2 (encoder.py, bytes_to_unicode) writes the bytes that are visible in
// Latin-1 as themselves and the other 68, in order, from U+0100 on.
// Vocabularies are written in this alphabet. This room keeps words as bytes,
// and translates a vocabulary to bytes once, when it loads it.

#ifndef MOE_TEXT_TOKENIZER_BYTE_ALPHABET_H_
#define MOE_TEXT_TOKENIZER_BYTE_ALPHABET_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace moe::text {

// The character of a byte.
char32_t CharacterOfByte(uint8_t byte);

// The byte of a character; none if the alphabet does not have it.
std::optional<uint8_t> ByteOfCharacter(char32_t character);

// Each byte of `bytes` as its character, in UTF-8.
std::string ToByteAlphabet(absl::string_view bytes);

// The inverse; none if the well-formed text has a character that the alphabet
// does not have.
std::optional<std::string> FromByteAlphabet(absl::string_view text);

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_BYTE_ALPHABET_H_
