#include "moe/split/importance_sums.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/kernels/sums/feature_sums.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr ImportanceSums::Shape kShape = {
    .num_layers = 2, .num_clusters = 3, .intermediate_size = 2};

// Two tokens from `first` on, in clusters 0 and 2.
ImportanceSums TwoTokens(int64_t first) {
  ThreadPool pool(1);
  ImportanceSums sums(kShape);
  const std::vector<float> products = {-1.0f, 2.0f, 0.5f, -0.25f};
  const std::vector<int32_t> clusters = {0, 2};
  for (int64_t i = 0; i < 2; ++i) {
    MOE_EXPECT_OK(sums.layer(i).Add(
        first, MatrixView<const float>(products.data(), 2, 2), clusters,
        /*weights=*/{}, pool));
  }
  const std::vector<float> losses = {3.0f, 1.0f, 0.0f, 0.0f};
  MOE_EXPECT_OK(sums.loss().Add(
      first, MatrixView<const float>(losses.data(), 2, 2), pool));
  MOE_EXPECT_OK(sums.Finish());
  return sums;
}

TEST(ImportanceSumsTest, ScoresAreMeansOfMagnitudes) {
  ImportanceSums sums(kShape);
  EXPECT_EQ(sums.shape(), kShape);
  EXPECT_EQ(sums.MeanLoss(), 0.0);
  for (const int64_t first : {128, 0, 256}) {
    MOE_ASSERT_OK(sums.Merge(TwoTokens(first)));
  }
  EXPECT_EQ(sums.num_tokens(), 6);
  const ImportanceScores scores = sums.Scores();
  ASSERT_EQ(scores.layers.size(), 2u);
  for (const LayerImportanceScores& layer : scores.layers) {
    EXPECT_THAT(layer.scores.Row(0), ElementsAre(1.0f, 2.0f));
    EXPECT_THAT(layer.scores.Row(1), ElementsAre(0.0f, 0.0f));
    EXPECT_THAT(layer.scores.Row(2), ElementsAre(0.5f, 0.25f));
    EXPECT_THAT(*layer.token_count, ElementsAre(3, 0, 3));
  }
  EXPECT_EQ(sums.NumPredictedTokens(), 3);
  EXPECT_EQ(sums.MeanLoss(), 3.0);
}

TEST(ImportanceSumsTest, AreTheSameBehindRecords) {
  ImportanceSums sums = TwoTokens(128);
  const ImportanceSums::Records records = sums.ToRecords();
  EXPECT_EQ(records.size(), 3u);
  MOE_ASSERT_OK_AND_ASSIGN(const ImportanceSums read,
                           ImportanceSums::FromRecords(records));
  EXPECT_EQ(read.shape(), kShape);
  EXPECT_EQ(read.ToRecords(), records);
  EXPECT_EQ(read.Scores(), sums.Scores());
}

TEST(ImportanceSumsTest, TheSameTokensTwiceAreRefused) {
  ImportanceSums sums = TwoTokens(0);
  EXPECT_THAT(
      sums.Merge(TwoTokens(0)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layers.0")));
  EXPECT_THAT(sums.Merge(ImportanceSums({1, 3, 2})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("sums of 1 layers; those of 2")));
}

void ExpectRefused(const ImportanceSums::Records& records, const char* text) {
  EXPECT_THAT(ImportanceSums::FromRecords(records).status().message(),
              HasSubstr(text));
}

TEST(ImportanceSumsTest, RecordsThatAreNoneAreRefused) {
  const ImportanceSums::Records good = TwoTokens(0).ToRecords();
  ImportanceSums::Records bad = good;
  bad.erase("loss");
  ExpectRefused(bad, "no sums \"loss\"");
  bad = good;
  bad.erase("layers.0");
  ExpectRefused(bad, "no sums \"layers.0\"");
  bad = good;
  bad["layers.1"].back() ^= 1;
  ExpectRefused(bad, "layers.1");
  bad = good;
  bad["layers.1"] = good.at("loss");
  ExpectRefused(bad, "layers.1");
  bad = good;
  bad["loss"] = FeatureSums({.num_features = 2}).Serialize();
  ExpectRefused(bad, "layers.0 has the sums of 2 tokens");
  bad = good;
  bad["loss"] = good.at("layers.0");
  ExpectRefused(bad, "loss");
  bad = good;
  bad["more"] = good.at("layers.0");
  ExpectRefused(bad, "no sums \"layers.2\"");
  bad = {{"loss", good.at("loss")}};
  ExpectRefused(bad, "sums of 0 layers");
  // Layers of two shapes.
  bad = good;
  bad["layers.1"] = ImportanceSums({1, 3, 4}).ToRecords().at("layers.0");
  EXPECT_FALSE(ImportanceSums::FromRecords(bad).ok());
}

}  // namespace
}  // namespace moe
