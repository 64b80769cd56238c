#include "moe/text/tokenizer/byte_alphabet.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::text {
namespace {

using ::testing::Eq;
using ::testing::Optional;

TEST(ByteAlphabetTest, IsGpt2s) {
  EXPECT_EQ(CharacterOfByte('a'), char32_t{'a'});
  EXPECT_EQ(CharacterOfByte(' '), char32_t{0x120});
  EXPECT_EQ(CharacterOfByte('\n'), char32_t{0x10A});
  EXPECT_EQ(CharacterOfByte(0), char32_t{0x100});
  EXPECT_EQ(CharacterOfByte(0x7F), char32_t{0x121});
  EXPECT_EQ(CharacterOfByte(0xAD), char32_t{0x143});  // The last hidden one.
  EXPECT_EQ(CharacterOfByte(0xFF), char32_t{0xFF});
}

TEST(ByteAlphabetTest, HasACharacterForEachByte) {
  std::set<char32_t> characters;
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    characters.insert(CharacterOfByte(static_cast<uint8_t>(byte)));
    EXPECT_THAT(ByteOfCharacter(CharacterOfByte(static_cast<uint8_t>(byte))),
                Optional(Eq(byte)));
    bytes.push_back(static_cast<char>(byte));
  }
  EXPECT_EQ(characters.size(), 256u);
  EXPECT_THAT(FromByteAlphabet(ToByteAlphabet(bytes)), Optional(bytes));
}

TEST(ByteAlphabetTest, RefusesOthers) {
  EXPECT_EQ(ByteOfCharacter(' '), std::nullopt);
  EXPECT_EQ(ByteOfCharacter(0x144), std::nullopt);
  EXPECT_EQ(ByteOfCharacter(0x10FFFF), std::nullopt);
  EXPECT_EQ(FromByteAlphabet("a b"), std::nullopt);
}

}  // namespace
}  // namespace moe::text
