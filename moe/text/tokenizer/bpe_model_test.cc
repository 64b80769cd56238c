#include "moe/text/tokenizer/bpe_model.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/testing/slow_bpe.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The tokens, with ids from 0 on.
BpeSpec Spec(const std::vector<std::string>& tokens,
             std::vector<std::pair<std::string, std::string>> merges) {
  BpeSpec spec;
  for (const std::string& token : tokens) {
    spec.vocab.emplace_back(token, static_cast<int32_t>(spec.vocab.size()));
  }
  spec.merges = std::move(merges);
  return spec;
}

std::vector<std::string> Encode(const BpeModel& model, absl::string_view word) {
  BpeScratch scratch;
  std::vector<int32_t> ids;
  model.Encode(word, scratch, &ids);
  std::vector<std::string> tokens;
  for (const int32_t id : ids) {
    tokens.push_back(*model.tokens()[static_cast<size_t>(id)]);
  }
  return tokens;
}

TEST(BpeModelTest, JoinsByRankThenFromTheLeft) {
  const BpeModel model =
      BpeModel::Create(Spec({"a", "b", "c", "bc", "ab", "aa"},
                            {{"b", "c"}, {"a", "b"}, {"a", "a"}}))
          .value();
  EXPECT_THAT(Encode(model, "abc"), ElementsAre("a", "bc"));
  EXPECT_THAT(Encode(model, "aab"), ElementsAre("a", "ab"));
  EXPECT_THAT(Encode(model, "aaa"), ElementsAre("aa", "a"));
  EXPECT_THAT(Encode(model, ""), IsEmpty());
}

TEST(BpeModelTest, UnknownCharacters) {
  BpeSpec spec = Spec({"a", "<unk>", "<0xC3>", "<0xA9>"}, {});
  EXPECT_THAT(Encode(BpeModel::Create(spec).value(), "xaéx"), ElementsAre("a"));
  spec.unk_token = "<unk>";
  EXPECT_THAT(Encode(BpeModel::Create(spec).value(), "xxaéx"),
              ElementsAre("<unk>", "<unk>", "a", "<unk>", "<unk>"));
  spec.fuse_unk = true;
  EXPECT_THAT(Encode(BpeModel::Create(spec).value(), "xxaéx"),
              ElementsAre("<unk>", "a", "<unk>"));
  spec.byte_fallback = true;
  // Bytes do not end a run of unknown characters, as the tokenizers package has
  // it: the run's token comes after them.
  EXPECT_THAT(Encode(BpeModel::Create(spec).value(), "xéxa"),
              ElementsAre("<0xC3>", "<0xA9>", "<unk>", "a"));
  // "è" is C3 A8, and there is no <0xA8>.
  EXPECT_THAT(Encode(BpeModel::Create(spec).value(), "è"),
              ElementsAre("<unk>"));
}

TEST(BpeModelTest, WordsOfBytes) {
  BpeSpec spec =
      Spec({"\u0120", "Ã", "©", "\u0120Ã", "\u0120Ã©", "a"}, {{"\u0120", "Ã"}});
  spec.words_are_bytes = true;
  EXPECT_THAT(Encode(BpeModel::Create(spec).value(), " éa"),
              ElementsAre("\u0120Ã", "©", "a"));
  EXPECT_THAT(Encode(BpeModel::Create(spec).value(), " é"),
              ElementsAre("\u0120Ã", "©"));
  spec.ignore_merges = true;
  EXPECT_THAT(Encode(BpeModel::Create(spec).value(), " é"),
              ElementsAre("\u0120Ã©"));
}

TEST(BpeModelTest, IdsMayHaveHoles) {
  BpeSpec spec;
  spec.vocab = {{"b", 7}, {"a", 2}};
  const BpeModel model = BpeModel::Create(spec).value();
  EXPECT_EQ(model.tokens().size(), 8u);
  EXPECT_EQ(model.num_tokens(), 2u);
  EXPECT_EQ(model.TokenToId("b"), 7);
  EXPECT_EQ(model.TokenToId("c"), std::nullopt);
  EXPECT_EQ(model.tokens()[3], std::nullopt);
}

TEST(BpeModelTest, RefusesWhatIsMalformed) {
  const auto error = [](const BpeSpec& spec, absl::string_view message) {
    EXPECT_THAT(BpeModel::Create(spec),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string(message))));
  };
  BpeSpec spec;
  spec.vocab = {{"a", 0}, {"b", 0}};
  error(spec, "\"b\": expected an id of its own, found 0, the id of \"a\"");
  spec.vocab = {{"a", 0}, {"a", 1}};
  error(spec, "\"a\": expected once, found twice");
  spec.vocab = {{"a", -1}};
  error(spec, "expected an id from 0 to 4194303, found -1");
  spec.vocab = {{"a", 1 << 30}};
  error(spec, "expected an id from 0 to 4194303, found 1073741824");
  error(Spec({"a", "b"}, {{"a", "b"}}),
        "merges[0]: expected a token of the vocabulary, found \"ab\"");
  error(Spec({"a"}, {{"a", "b"}}),
        "merges[0]: expected a token of the vocabulary, found \"b\"");
  error(Spec({"a"}, {{"b", "a"}}),
        "merges[0]: expected a token of the vocabulary, found \"b\"");
  error(Spec({"a", "aa"}, {{"a", "a"}, {"a", "a"}}),
        "merges[1]: expected another pair, found \"a\" and \"a\" again");
  spec = Spec({"a"}, {});
  spec.unk_token = "<unk>";
  error(spec, "unk_token: expected a token of the vocabulary, found \"<unk>\"");
}

// Short words take one way through the code and long ones another; both have to
// be the definition's.
TEST(BpeModelTest, IsTheSlowOne) {
  std::mt19937 random(1);
  const auto below = [&random](size_t n) { return random() % n; };
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> tokens = {"a", "b", "c"};
    std::vector<std::pair<std::string, std::string>> merges;
    for (size_t i = below(25); i > 0; --i) {
      std::pair<std::string, std::string> merge = {
          tokens[below(tokens.size())], tokens[below(tokens.size())]};
      const std::string joined = merge.first + merge.second;
      if (std::count(merges.begin(), merges.end(), merge) > 0) continue;
      merges.push_back(std::move(merge));
      if (std::count(tokens.begin(), tokens.end(), joined) == 0) {
        tokens.push_back(joined);
      }
    }
    const BpeModel model = BpeModel::Create(Spec(tokens, merges)).value();
    for (const size_t size : {1, 2, 5, 20, 47, 48, 49, 50, 120}) {
      std::string word;
      std::vector<std::string> symbols;
      for (size_t i = 0; i < size; ++i) {
        symbols.emplace_back(1, "abc"[below(3)]);
        word += symbols.back();
      }
      ASSERT_EQ(Encode(model, word), testing::SlowBpe(symbols, merges))
          << word << " round " << round;
    }
  }
}

// A quadratic way would take hours.
TEST(BpeModelTest, AWordOfAMegabyte) {
  const BpeModel model =
      BpeModel::Create(Spec({"a", "b", "aa", "aaaa", "aaaaaaaa"},
                            {{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}}))
          .value();
  const std::string word(1 << 20, 'a');
  BpeScratch scratch;
  std::vector<int32_t> ids;
  model.Encode(word, scratch, &ids);
  EXPECT_EQ(ids, std::vector<int32_t>((1 << 20) / 8, 4));
}

}  // namespace
}  // namespace moe::text
