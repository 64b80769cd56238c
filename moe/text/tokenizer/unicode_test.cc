#include "moe/text/tokenizer/unicode.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::IsOkAndHolds;

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

}  // namespace
}  // namespace moe
