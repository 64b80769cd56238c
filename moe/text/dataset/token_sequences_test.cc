#include "moe/text/dataset/token_sequences.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TokenSequences Example() {
  TokenSequences sequences;
  sequences.Append({1, 2, 3}, {-100, 2, 3});
  sequences.Append({4}, {4});
  return sequences;
}

TEST(TokenSequencesTest, HoldsRaggedSequences) {
  EXPECT_EQ(TokenSequences().num_sequences(), 0);
  EXPECT_EQ(TokenSequences().num_tokens(), 0);
  const TokenSequences sequences = Example();
  EXPECT_EQ(sequences.num_sequences(), 2);
  EXPECT_EQ(sequences.num_tokens(), 4);
  EXPECT_THAT(sequences.input_ids(0), ElementsAre(1, 2, 3));
  EXPECT_THAT(sequences.labels(0), ElementsAre(-100, 2, 3));
  EXPECT_THAT(sequences.input_ids(1), ElementsAre(4));
  EXPECT_THAT(sequences.labels(1), ElementsAre(4));
  EXPECT_THAT(sequences.input_ids(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(sequences.labels(), ElementsAre(-100, 2, 3, 4));
  EXPECT_THAT(sequences.offsets(), ElementsAre(0, 3, 4));
}

// One array serves while every label is its token's id.
TEST(TokenSequencesTest, LabelsTakeMemoryOnlyWhereTheyDiffer) {
  TokenSequences sequences;
  EXPECT_THAT(sequences.labels(), IsEmpty());
  sequences.Append({1, 2}, {1, 2});
  sequences.Append({3}, {3});
  EXPECT_EQ(sequences.labels().data(), sequences.input_ids().data());
  EXPECT_EQ(sequences.labels(1).data(), sequences.input_ids(1).data());
  EXPECT_THAT(TokenSequences::FromArrays({1, 2, 3}, {1, 2, 3}, {0, 2, 3}, 5),
              IsOkAndHolds(sequences));
  const TokenSequences before = sequences;
  sequences.Append({4, 5}, {-100, 5});
  sequences.Append({6}, {6});
  EXPECT_FALSE(sequences == before);
  EXPECT_THAT(sequences.input_ids(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(sequences.labels(), ElementsAre(1, 2, 3, -100, 5, 6));
  EXPECT_THAT(sequences.labels(2), ElementsAre(-100, 5));
  EXPECT_THAT(before.labels(), ElementsAre(1, 2, 3));
}

TEST(TokenSequencesTest, TakesArrays) {
  EXPECT_THAT(
      TokenSequences::FromArrays({1, 2, 3, 4}, {-100, 2, 3, 4}, {0, 3, 4}, 5),
      IsOkAndHolds(Example()));
  EXPECT_THAT(TokenSequences::FromArrays({}, {}, {0}, 5),
              IsOkAndHolds(TokenSequences()));
}

TEST(TokenSequencesTest, ArraysThatContradictAreRefused) {
  using Ids = std::vector<int32_t>;
  const struct {
    Ids input_ids;
    Ids labels;
    std::vector<int64_t> offsets;
    const char* message;
  } kCases[] = {
      {{1, 2},
       {1},
       {0, 2},
       "labels: expected 2 entries, as in input_ids, found 1"},
      {{1, 2},
       {1, 2},
       {},
       "offsets: expected one entry more than there are sequences, found none"},
      {{1, 2}, {1, 2}, {1, 2}, "offsets[0]: expected 0, found 1"},
      {{1, 2},
       {1, 2},
       {0, 1, 1, 2},
       "offsets[2]: expected more than 1, as no sequence is empty, found 1"},
      {{1, 2},
       {1, 2},
       {0, 3, 2},
       "offsets[2]: expected more than 3, as no sequence is empty, found 2"},
      {{1, 2},
       {1, 2},
       {0, 1},
       "offsets: expected 2, the number of tokens, at the end, found 1"},
      {{1, 2},
       {1, 2},
       {0, 3},
       "offsets: expected 2, the number of tokens, at the end, found 3"},
      {{1, 5},
       {1, 2},
       {0, 2},
       "input_ids[1]: expected a token id from 0 to 4, found 5"},
      {{-100, 2},
       {1, 2},
       {0, 2},
       "input_ids[0]: expected a token id from 0 to 4, found -100"},
      {{1, 2},
       {1, -1},
       {0, 2},
       "labels[1]: expected a token id from 0 to 4, or -100, found -1"},
      {{1, 2},
       {5, 2},
       {0, 2},
       "labels[0]: expected a token id from 0 to 4, or -100, found 5"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(
        TokenSequences::FromArrays(test.input_ids, test.labels, test.offsets,
                                   5),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(test.message)));
  }
}

TEST(TokenSequencesTest, CountsWhatALossPredicts) {
  EXPECT_EQ(NumPredictedTokens({}), 0);
  EXPECT_EQ(NumPredictedTokens({7}), 0);
  EXPECT_EQ(NumPredictedTokens({7, 8, -100, 9}), 2);
  EXPECT_EQ(NumPredictedTokens({7, -100}), 0);
}

}  // namespace
}  // namespace moe::text
