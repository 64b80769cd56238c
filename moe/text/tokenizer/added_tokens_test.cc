#include "moe/text/tokenizer/added_tokens.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AddedToken Token(int32_t id, absl::string_view content) {
  AddedToken token;
  token.id = id;
  token.content = std::string(content);
  return token;
}

// Pieces as "text" or "text=id".
std::vector<std::string> Split(const std::vector<AddedToken>& tokens,
                               absl::string_view text) {
  std::vector<std::string> forms;
  for (const AddedToken& token : tokens) forms.push_back(token.content);
  std::vector<std::string> pieces;
  for (const TextPiece& piece : AddedTokenMatcher(tokens, forms).Split(text)) {
    pieces.push_back(
        absl::StrCat(text.substr(piece.begin, piece.end - piece.begin),
                     piece.id.has_value() ? absl::StrCat("=", *piece.id) : ""));
  }
  return pieces;
}

TEST(AddedTokensTest, LeftmostThenLongest) {
  EXPECT_THAT(Split({Token(1, "<s>"), Token(2, "<s>a"), Token(3, "s>ab")},
                    "x<s>ab<s><"),
              ElementsAre("x", "<s>a=2", "b", "<s>=1", "<"));
  // The longer one does not go on, so the shorter one counts.
  EXPECT_THAT(Split({Token(1, "ab"), Token(2, "abcd")}, "abcab"),
              ElementsAre("ab=1", "c", "ab=1"));
  EXPECT_THAT(Split({Token(1, "a"), Token(2, "b")}, "xbab"),
              ElementsAre("x", "b=2", "a=1", "b=2"));
  EXPECT_THAT(Split({Token(1, "a")}, ""), IsEmpty());
}

TEST(AddedTokensTest, StripsWhiteSpace) {
  AddedToken left = Token(1, "<l>");
  left.lstrip = true;
  AddedToken right = Token(2, "<r>");
  right.rstrip = true;
  EXPECT_THAT(Split({left, right}, "a \u3000<l> b<r>\n c"),
              ElementsAre("a", " \u3000<l>=1", " b", "<r>\n =2", "c"));
  // White space that one has taken, the next one does not.
  EXPECT_THAT(Split({left, right}, "<r>  <l>"),
              ElementsAre("<r>  =2", "<l>=1"));
  // A token within the white space that another took is still there.
  EXPECT_THAT(Split({right, Token(3, "\n")}, "<r>\n\nx"),
              ElementsAre("<r>\n\n=2", "\n=3", "\n=3", "x"));
}

TEST(AddedTokensTest, SingleWords) {
  AddedToken word = Token(1, "word");
  word.single_word = true;
  EXPECT_THAT(Split({word}, "word sword words (word) é word_ word-\u0301word"),
              ElementsAre("word=1", " sword words (", "word=1", ") é word_ ",
                          "word=1", "-\u0301word"));
  EXPECT_THAT(Split({word}, "wordword"), ElementsAre("wordword"));
}

TEST(AddedTokensTest, FormsMayDiffer) {
  const AddedTokenMatcher matcher({Token(5, "A")}, {"b"});
  const std::vector<TextPiece> pieces = matcher.Split("Ab");
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].id, 5);
  EXPECT_FALSE(matcher.IsEmpty());
}

TEST(AddedTokenBudgetTest, BoundsTheLengthOfOne) {
  AddedTokenBudget budget;
  MOE_EXPECT_OK(budget.Spend(std::string(4096, 'x')));
  EXPECT_THAT(
      budget.Spend(std::string(4097, 'x')),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr(absl::StrCat(
                   "the added token \"", std::string(40, 'x'),
                   "...\": expected at most 4096 bytes in one, found 4097; "
                   "remove"))));
}

TEST(AddedTokenBudgetTest, BoundsTheirNumber) {
  AddedTokenBudget budget;
  for (int i = 0; i < 524288; ++i) MOE_ASSERT_OK(budget.Spend("x"));
  EXPECT_THAT(budget.Spend("y"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("the added token \"y\": expected at most "
                                 "524288 added tokens, found 524289")));
}

TEST(AddedTokenBudgetTest, BoundsTheBytesOfAll) {
  AddedTokenBudget budget;
  const std::string token(4096, 'x');
  for (int i = 0; i < 2048; ++i) MOE_ASSERT_OK(budget.Spend(token));
  EXPECT_THAT(budget.Spend("y"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("expected at most 8388608 bytes in all added "
                                 "tokens, found 8388609")));
}

}  // namespace
}  // namespace moe::text
