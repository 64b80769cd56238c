#include "moe/text/tokenizer/added_tokens.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

using ::testing::ElementsAre;
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

}  // namespace
}  // namespace moe
