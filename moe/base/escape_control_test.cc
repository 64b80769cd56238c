#include "moe/base/escape_control.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace moe::base {
namespace {

// The UTF-8 of a character of the first plane.
std::string Utf8(uint32_t code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  const auto last = static_cast<char>(0x80 | (code & 0x3f));
  const auto middle = static_cast<char>(0x80 | (code >> 6 & 0x3f));
  if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), last};
  return {static_cast<char>(0xe0 | code >> 12), middle, last};
}

TEST(EscapeControlTest, PlainTextStays) {
  for (const char* text :
       {"", "model.layers.0.mlp", "back\\slash", "na\u00efve \u03b1\u03b2",
        "\u65e5\u672c\u8a9e", "\U0001f999", "\u00a0\u00ff\u2027\u202f\uffff"}) {
    EXPECT_EQ(EscapeControl(text), text);
    EXPECT_EQ(EscapeControlInText(text), text);
  }
}

TEST(EscapeControlTest, EveryControlIsAnEscape) {
  for (const auto& [first, last] :
       std::vector<std::pair<uint32_t, uint32_t>>{{0x00, 0x1f},
                                                  {0x7f, 0x9f},
                                                  {0x061c, 0x061c},
                                                  {0x200b, 0x200f},
                                                  {0x2028, 0x202e},
                                                  {0x2060, 0x2069},
                                                  {0xfeff, 0xfeff}}) {
    for (uint32_t code = first; code <= last; ++code) {
      EXPECT_EQ(EscapeControl("a" + Utf8(code) + "b"),
                absl::StrFormat("a\\u%04xb", code));
    }
    // Their neighbours stay.
    if (first > 0) {
      EXPECT_EQ(EscapeControl(Utf8(first - 1)), Utf8(first - 1));
    }
    EXPECT_EQ(EscapeControl(Utf8(last + 1)), Utf8(last + 1));
  }
}

TEST(EscapeControlTest, BytesThatAreNotUtf8AreEscapes) {
  EXPECT_EQ(EscapeControl("\x9b"
                          "31m"),
            "\\x9b31m");
  EXPECT_EQ(EscapeControl("\xff\xfe"), "\\xff\\xfe");
  // Overlong forms of "/" and of ESC, a surrogate, what is above U+10FFFF.
  EXPECT_EQ(EscapeControl("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(EscapeControl("\xe0\x80\x9b"), "\\xe0\\x80\\x9b");
  EXPECT_EQ(EscapeControl("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(EscapeControl("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  // Cut short at the end, and by another character.
  EXPECT_EQ(EscapeControl("a\xe2\x80"), "a\\xe2\\x80");
  EXPECT_EQ(EscapeControl("\xe2\x80\x1b"), "\\xe2\\x80\\u001b");
  EXPECT_EQ(EscapeControl("\xe2\u00e4"), "\\xe2\u00e4");
}

TEST(EscapeControlInTextTest, OnlyNewlineAndTabStay) {
  EXPECT_EQ(EscapeControl("a\tb\nc\rd"), "a\\u0009b\\u000ac\\u000dd");
  EXPECT_EQ(EscapeControlInText("a\tb\nc\rd"), "a\tb\nc\\u000dd");
}

TEST(BytesBeforeCutSequenceTest, KeepsBackWhatMayBeCompleted) {
  EXPECT_EQ(BytesBeforeCutSequence(""), 0u);
  EXPECT_EQ(BytesBeforeCutSequence("ab"), 2u);
  EXPECT_EQ(BytesBeforeCutSequence("a\u00e4"), 3u);
  EXPECT_EQ(BytesBeforeCutSequence("a\U0001f999"), 5u);
  EXPECT_EQ(BytesBeforeCutSequence("a\xc3"), 1u);
  EXPECT_EQ(BytesBeforeCutSequence("a\xe2\x80"), 1u);
  EXPECT_EQ(BytesBeforeCutSequence("a\xf0\x9f\xa6"), 1u);
  // No further byte makes these valid.
  EXPECT_EQ(BytesBeforeCutSequence("\xff"), 1u);
  EXPECT_EQ(BytesBeforeCutSequence("\xed\xa0"), 2u);
  EXPECT_EQ(BytesBeforeCutSequence("\x80\x80\x80\x80"), 4u);
}

// Whatever the cuts, the pieces of a text say together what it says whole.
TEST(BytesBeforeCutSequenceTest, PiecesAreAsTheWhole) {
  const std::string text =
      "a\u00e4\u2028\U0001f999\x9b\xe2\x80z\xf0\x9f\xff\x1b\u202e";
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      std::string pending;
      std::string escaped;
      for (const std::string& piece :
           {text.substr(0, a), text.substr(a, b - a), text.substr(b)}) {
        pending += piece;
        const size_t whole = BytesBeforeCutSequence(pending);
        escaped += EscapeControl(absl::string_view(pending).substr(0, whole));
        pending.erase(0, whole);
      }
      EXPECT_EQ(escaped + EscapeControl(pending), EscapeControl(text));
    }
  }
}

}  // namespace

namespace {

TEST(SayNoticeTest, EachTextOnce) {
  ::testing::internal::CaptureStderr();
  SayNotice("one");
  SayNotice("two");
  SayNotice("one");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "notice: one\nnotice: two\n");
}

TEST(SayNoticeTest, EscapesControlCharacters) {
  ::testing::internal::CaptureStderr();
  SayNotice("a\nb");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "notice: a\\u000ab\n");
}

}  // namespace
}  // namespace moe::base
