#include "moe/text/dataset/token_batches.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;

TokenSequences Example() {
  TokenSequences sequences;
  sequences.Append({1, 2, 3}, {-100, 2, 3});
  sequences.Append({4}, {4});
  sequences.Append({5, 6}, {5, 6});
  return sequences;
}

// Sequence i is the token i.
TokenSequences Numbered(int32_t count) {
  TokenSequences sequences;
  for (int32_t i = 0; i < count; ++i) sequences.Append({i}, {i});
  return sequences;
}

TEST(TokenBatchesTest, TheLastBatchHasWhatIsLeft) {
  const TokenBatches batches(Example(), 2);
  ASSERT_EQ(batches.num_batches(), 2);
  EXPECT_EQ(batches.batch(0).begin, 0);
  EXPECT_EQ(batches.batch(0).end, 2);
  EXPECT_EQ(batches.batch(1).begin, 2);
  EXPECT_EQ(batches.batch(1).end, 3);
  EXPECT_EQ(batches.num_tokens(), 6);
  EXPECT_THAT(batches.input_ids(2), ElementsAre(5, 6));
  EXPECT_THAT(batches.labels(0), ElementsAre(-100, 2, 3));
  EXPECT_EQ(TokenBatches(Example(), 3).num_batches(), 1);
  EXPECT_EQ(TokenBatches(Example(), std::numeric_limits<int64_t>::max())
                .num_batches(),
            1);
  EXPECT_EQ(TokenBatches().num_batches(), 0);
}

TEST(TokenBatchesTest, DigestIsOfTheStatedForm) {
  // Computed with Python's hashlib and struct from the form in the header.
  EXPECT_EQ(TokenBatches(Example(), 2).Digest(),
            "59c67fb7b73c8f2fd074e590dd75f71b9dfed708cac35d7d48c4783efd140d59");
  EXPECT_NE(TokenBatches(Example(), 3).Digest(),
            TokenBatches(Example(), 2).Digest());
}

TEST(DrawSequencesTest, ShufflesBySeed) {
  BatchOptions options;
  options.set_seed(42);
  // Computed with tools/python/philox_reference.py, Lemire's method and Fisher
  // and Yates in Python.
  EXPECT_THAT(DrawSequences(10, options),
              ElementsAre(5, 6, 9, 3, 8, 2, 4, 7, 0, 1));
  options.set_seed(43);
  std::vector<int64_t> other = DrawSequences(10, options);
  EXPECT_NE(other, (std::vector<int64_t>{5, 6, 9, 3, 8, 2, 4, 7, 0, 1}));
  std::sort(other.begin(), other.end());
  EXPECT_THAT(other, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(DrawSequencesTest, FewerStepsAreTheBeginningOfMore) {
  BatchOptions options;
  options.set_seed(42);
  options.set_max_steps(2);
  options.set_batch_size(3);
  EXPECT_THAT(DrawSequences(10, options), ElementsAre(5, 6, 9, 3, 8, 2));
  options.set_no_shuffle(true);
  EXPECT_THAT(DrawSequences(10, options), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(DrawSequencesTest, AShortDatasetIsSeenOnce) {
  BatchOptions options;
  options.set_max_steps(100);
  options.set_batch_size(4);
  EXPECT_EQ(DrawSequences(10, options).size(), 10);
  EXPECT_TRUE(DrawSequences(0, options).empty());
}

TEST(DrawSequencesTest, EveryOrderOfThreeComesUpEvenly) {
  // 6000 seeds, 6 orders: binomial with mean 1000, standard deviation 29.
  std::vector<std::pair<std::vector<int64_t>, int>> counts;
  std::vector<int64_t> order = {0, 1, 2};
  do {
    counts.emplace_back(order, 0);
  } while (std::next_permutation(order.begin(), order.end()));
  for (int64_t seed = 0; seed < 6000; ++seed) {
    BatchOptions options;
    options.set_seed(seed);
    const std::vector<int64_t> drawn = DrawSequences(3, options);
    for (auto& [known, count] : counts) count += known == drawn ? 1 : 0;
  }
  for (const auto& [known, count] : counts) {
    EXPECT_GT(count, 850);
    EXPECT_LT(count, 1150);
  }
}

TEST(MakeBatchesTest, CopiesWhatIsDrawn) {
  BatchOptions options;
  options.set_seed(42);
  options.set_max_steps(2);
  options.set_batch_size(2);
  MOE_ASSERT_OK_AND_ASSIGN(const TokenBatches batches,
                           MakeBatches(Numbered(10), options));
  EXPECT_EQ(batches.num_batches(), 2);
  EXPECT_THAT(batches.sequences().input_ids(), ElementsAre(5, 6, 9, 3));
  EXPECT_THAT(batches.sequences().labels(), ElementsAre(5, 6, 9, 3));
}

TEST(MakeBatchesTest, KeepsTheOrderOnRequest) {
  BatchOptions options;
  options.set_no_shuffle(true);
  options.set_batch_size(4);
  MOE_ASSERT_OK_AND_ASSIGN(const TokenBatches batches,
                           MakeBatches(Numbered(10), options));
  EXPECT_EQ(batches.sequences(), Numbered(10));
  EXPECT_EQ(batches.num_batches(), 3);
  options.set_max_steps(1);
  MOE_ASSERT_OK_AND_ASSIGN(const TokenBatches first,
                           MakeBatches(Numbered(10), options));
  EXPECT_EQ(first.sequences(), Numbered(4));
}

TEST(MakeBatchesTest, RefusesInvalidOptions) {
  BatchOptions options;
  options.set_batch_size(0);
  EXPECT_THAT(MakeBatches(Numbered(1), options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace moe::text
