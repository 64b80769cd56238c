#include "moe/model/walk/weighted_sequences.h"

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

using ::testing::ElementsAre;

TEST(WeightedSequencesTest, ABatchSharesOneMean) {
  text::TokenSequences sequences;
  const int32_t no = base::kIgnoredLabel;
  sequences.Append({1, 2, 3}, {1, 2, 3});    // 2 labels
  sequences.Append({1, 2, 3}, {no, no, 3});  // 1
  sequences.Append({4}, {4});                // 0: a batch of two
  sequences.Append({4, 5}, {4, no});         // 0
  sequences.Append({5, 6, 7}, {no, 6, 7});   // 2: the last batch
  const WeightedSequences all = WeighByBatch(text::TokenBatches(sequences, 2));
  EXPECT_EQ(all.sequences, sequences);
  EXPECT_THAT(all.weights, ElementsAre(1.0f / 3, 1.0f / 3, 0.0f, 0.0f, 0.5f));
}

TEST(WeightedSequencesTest, CanonicalOrderIsThatOfWhatTheyAre) {
  text::TokenSequences sequences;
  sequences.Append({2, 1}, {2, 1});
  sequences.Append({1, 9}, {1, 9});
  sequences.Append({1}, {1});
  sequences.Append({1, 9}, {1, 8});
  sequences.Append({1, 9}, {1, 9});
  const WeightedSequences all{sequences, {0.1f, 0.5f, 0.3f, 0.4f, 0.2f}};
  const WeightedSequences ordered = InCanonicalOrder(all);
  EXPECT_THAT(ordered.weights, ElementsAre(0.3f, 0.4f, 0.2f, 0.5f, 0.1f));
  EXPECT_THAT(ordered.sequences.labels(1), ElementsAre(1, 8));
  EXPECT_THAT(ordered.sequences.input_ids(4), ElementsAre(2, 1));

  WeightedSequences other;
  for (const int64_t s : {4, 2, 0, 1, 3}) {
    const WeightedSequences one = SubRange(all, s, s + 1);
    other.sequences.Append(one.sequences.input_ids(0), one.sequences.labels(0));
    other.weights.push_back(one.weights[0]);
  }
  EXPECT_EQ(InCanonicalOrder(other), ordered);
  EXPECT_EQ(InCanonicalOrder(sequences), InCanonicalOrder(other.sequences));
  EXPECT_EQ(InCanonicalOrder(sequences), ordered.sequences);
}

TEST(WeightedSequencesTest, SubRange) {
  text::TokenSequences sequences;
  sequences.Append({1}, {1});
  sequences.Append({2}, {2});
  sequences.Append({3}, {3});
  const WeightedSequences all{sequences, {1.0f, 2.0f, 3.0f}};
  const WeightedSequences part = SubRange(all, 1, 3);
  EXPECT_THAT(part.weights, ElementsAre(2.0f, 3.0f));
  EXPECT_THAT(part.sequences.input_ids(), ElementsAre(2, 3));
  EXPECT_EQ(SubRange(all, 2, 2).sequences.num_sequences(), 0);
  EXPECT_EQ(SubRange(sequences, 1, 3), part.sequences);
}

}  // namespace
}  // namespace moe::model
