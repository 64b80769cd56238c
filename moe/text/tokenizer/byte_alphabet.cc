#include "moe/text/tokenizer/byte_alphabet.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

// One more than the last character: the 68 hidden bytes follow U+00FF.
constexpr size_t kEnd = 0x100 + 68;

constexpr bool IsVisible(size_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
         byte >= 0xAE;
}

struct Tables {
  std::array<char32_t, 256> character;
  std::array<int16_t, kEnd> byte;  // -1: no byte.
};

constexpr Tables MakeTables() {
  Tables tables{};
  for (int16_t& byte : tables.byte) byte = -1;
  char32_t next = 0x100;
  for (size_t byte = 0; byte < 256; ++byte) {
    const char32_t character =
        IsVisible(byte) ? static_cast<char32_t>(byte) : next++;
    tables.character[byte] = character;
    tables.byte[character] = static_cast<int16_t>(byte);
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

char32_t CharacterOfByte(uint8_t byte) { return kTables.character[byte]; }

std::optional<uint8_t> ByteOfCharacter(char32_t character) {
  if (character >= kEnd || kTables.byte[character] < 0) return std::nullopt;
  return static_cast<uint8_t>(kTables.byte[character]);
}

std::string ToByteAlphabet(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 2);
  for (const char byte : bytes) {
    AppendUtf8(CharacterOfByte(static_cast<uint8_t>(byte)), &text);
  }
  return text;
}

std::optional<std::string> FromByteAlphabet(absl::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    const std::optional<uint8_t> byte = ByteOfCharacter(first.value);
    if (!byte.has_value()) return std::nullopt;
    bytes.push_back(static_cast<char>(*byte));
    text.remove_prefix(first.num_bytes);
  }
  return bytes;
}

}  // namespace moe::text
