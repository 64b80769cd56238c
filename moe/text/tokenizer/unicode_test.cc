#include "moe/text/tokenizer/unicode.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;

TEST(UnicodeTest, WhiteSpaceIsTheProperty) {
  int num = 0;
  for (char32_t c = 0; c < 0x110000; ++c) num += IsWhitespace(c) ? 1 : 0;
  EXPECT_EQ(num, 25);  // PropList.txt: White_Space, total code points.
  EXPECT_TRUE(IsWhitespace(0x85));
  EXPECT_TRUE(IsWhitespace(0x3000));
  EXPECT_FALSE(IsWhitespace(0x180E));
  EXPECT_FALSE(IsWhitespace(0x200B));
  EXPECT_FALSE(IsWhitespace(0x1C));
}

TEST(UnicodeTest, NumericIsEveryNumber) {
  EXPECT_TRUE(IsNumeric('7'));
  EXPECT_TRUE(IsNumeric(0x0663));  // Nd
  EXPECT_TRUE(IsNumeric(0x2167));  // Nl
  EXPECT_TRUE(IsNumeric(0xBD));    // No
  EXPECT_FALSE(IsNumeric(0x4E00));
  EXPECT_FALSE(IsNumeric('a'));
}

TEST(UnicodeTest, Strips) {
  EXPECT_EQ(StripLeft(" \u3000\na b "), "a b ");
  EXPECT_EQ(StripRight(" a b\u00A0\n"), " a b");
  EXPECT_EQ(StripLeft(" \t"), "");
  EXPECT_EQ(StripRight(""), "");
}

TEST(UnicodeTest, NormalForms) {
  // UAX #15, figures 3 to 6.
  EXPECT_THAT(Normalize("\u212B\u1E9B\u0323\uFB01", NormalForm::kNfc),
              IsOkAndHolds("\u00C5\u1E9B\u0323\uFB01"));
  EXPECT_THAT(Normalize("\u212B\u1E9B\u0323\uFB01", NormalForm::kNfd),
              IsOkAndHolds("A\u030A\u017F\u0323\u0307\uFB01"));
  EXPECT_THAT(Normalize("\u212B\u1E9B\u0323\uFB01", NormalForm::kNfkc),
              IsOkAndHolds("\u00C5\u1E69fi"));
  EXPECT_THAT(Normalize("\u212B\u1E9B\u0323\uFB01", NormalForm::kNfkd),
              IsOkAndHolds("A\u030As\u0323\u0307fi"));
  EXPECT_THAT(Normalize("", NormalForm::kNfc), IsOkAndHolds(""));
}

TEST(UnicodeTest, LowersEachByItself) {
  EXPECT_EQ(Lowercase("AbC \u0130 \u03A3\u03A3 \u1E9E"),
            "abc i\u0307 \u03C3\u03C3 \u00DF");
}

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
}  // namespace moe::text
