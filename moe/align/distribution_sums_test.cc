#include "moe/align/distribution_sums.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/kernels/sums/moments.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of two layers and one feature: the tokens of a chunk in every block, times
// the block's number from 1 on.
DistributionSums SumsOf(const std::vector<float>& tokens, int64_t chunk) {
  ThreadPool pool(1);
  DistributionSums sums({2, 1});
  float factor = 0.0f;
  for (const int64_t layer : {0, 1}) {
    for (Moments* const block : {&sums.attention(layer), &sums.mlp(layer)}) {
      factor += 1.0f;
      std::vector<float> rows = tokens;
      for (float& x : rows) x *= factor;
      EXPECT_TRUE(
          block
              ->Add(128 * chunk,
                    MatrixView<const float>(
                        rows.data(), static_cast<int64_t>(rows.size()), 1),
                    pool)
              .ok());
    }
  }
  EXPECT_TRUE(sums.Finish().ok());
  return sums;
}

TEST(DistributionSumsTest, AreThoseOfEveryBlock) {
  MOE_ASSERT_OK_AND_ASSIGN(const Distribution distribution,
                           SumsOf({1.0f, 3.0f}, 0).ToDistribution());
  ASSERT_EQ(distribution.layers.size(), 2u);
  EXPECT_EQ(distribution.layers[0].attn, (FeatureMoments{2, {2.0}, {1.0}}));
  EXPECT_EQ(distribution.layers[0].mlp, (FeatureMoments{2, {4.0}, {4.0}}));
  EXPECT_EQ(distribution.layers[1].attn, (FeatureMoments{2, {6.0}, {9.0}}));
  EXPECT_EQ(distribution.layers[1].mlp, (FeatureMoments{2, {8.0}, {16.0}}));
}

TEST(DistributionSumsTest, MergeAndRecords) {
  DistributionSums sums = SumsOf({1.0f, 3.0f}, 1);
  MOE_ASSERT_OK(sums.Merge(SumsOf({8.0f}, 0)));
  EXPECT_EQ(sums.num_tokens(), 3);
  MOE_ASSERT_OK_AND_ASSIGN(const Distribution distribution,
                           sums.ToDistribution());
  EXPECT_THAT(distribution.layers[0].attn->mean, ElementsAre(4.0));
  MOE_ASSERT_OK_AND_ASSIGN(const DistributionSums parsed,
                           DistributionSums::FromRecords(sums.ToRecords()));
  EXPECT_EQ(parsed.shape(), sums.shape());
  EXPECT_EQ(parsed.ToRecords(), sums.ToRecords());
  EXPECT_THAT(
      sums.Merge(SumsOf({8.0f}, 0)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layers.0.attn")));
  EXPECT_THAT(sums.Merge(DistributionSums({3, 1})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("sums of 3 layers; those of 2 layers")));
}

TEST(DistributionSumsTest, NoTokensHaveNoDistribution) {
  EXPECT_THAT(DistributionSums({2, 1}).ToDistribution().status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("there are no tokens")));
}

TEST(DistributionSumsTest, RecordsThatDoNotFitAreRefusedByName) {
  const DistributionSums::Records good = SumsOf({1.0f}, 0).ToRecords();
  const auto refused = [](const DistributionSums::Records& records,
                          const char* what) {
    EXPECT_THAT(DistributionSums::FromRecords(records).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what)));
  };
  refused({}, "there are no sums");
  DistributionSums::Records records = good;
  records.erase("layers.1.mlp");
  refused(records, "no sums \"layers.1.mlp\" among the 3");
  records = good;
  records.erase("layers.0.attn");
  refused(records, "no sums \"layers.0.attn\"");
  records = good;
  records["other"] = records["layers.0.mlp"];
  refused(records, "no sums \"layers.2.attn\"");
  records = good;
  records["layers.1.attn"] =
      SumsOf({1.0f, 2.0f}, 0).ToRecords().at("layers.1.attn");
  refused(records,
          "layers.1.attn has the sums of 1 features over 2 tokens, and "
          "layers.0.attn those of 1 over 1");
  records = good;
  records["layers.0.mlp"] = "x";
  EXPECT_THAT(DistributionSums::FromRecords(records).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("layers.0.mlp")));
}

}  // namespace
}  // namespace moe
