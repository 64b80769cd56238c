#include "moe/text/tokenizer/utf8.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

constexpr char kR[] = "\xEF\xBF\xBD";

TEST(Utf8Test, ReplacesMaximalSubparts) {
  const std::string r = kR;
  // The examples of Unicode 15, section 3.9, tables 3-8 to 3-11.
  EXPECT_EQ(ReplaceIllFormedUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceIllFormedUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceIllFormedUtf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(ReplaceIllFormedUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            r + r + r + r + "A");
}

TEST(Utf8Test, KeepsWhatIsWellFormed) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x91\x8D, and more";
  EXPECT_TRUE(IsWellFormedUtf8(text));
  EXPECT_EQ(ReplaceIllFormedUtf8(text), text);
  EXPECT_TRUE(IsWellFormedUtf8(""));
}

TEST(Utf8Test, SeesDamageAtEveryPlace) {
  for (size_t i = 0; i < 20; ++i) {
    std::string text(20, 'a');
    text[i] = '\x80';
    EXPECT_FALSE(IsWellFormedUtf8(text)) << i;
    std::string want(20, 'a');
    EXPECT_EQ(ReplaceIllFormedUtf8(text), want.replace(i, 1, kR));
  }
}

TEST(Utf8Test, ReadsWhatItWrites) {
  for (char32_t c = 0; c < 0x110000; c += 37) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text = "x";
    AppendUtf8(c, &text);
    ASSERT_TRUE(IsWellFormedUtf8(text)) << static_cast<uint32_t>(c);
    const CodePoint first = FirstCodePoint(absl::string_view(text).substr(1));
    EXPECT_EQ(first.value, c);
    EXPECT_EQ(first.num_bytes, text.size() - 1);
    EXPECT_EQ(LastCodePoint(text).value, c);
  }
}

}  // namespace
}  // namespace moe
