#include "moe/kernels/sums/centroid_sums.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/feature_sums.h"
#include "moe/kernels/sums/sums_record.h"
#include "moe/kernels/sums/testing/sums_reference.h"
#include "moe/kernels/sums/testing/token_cuts.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::CutIntoBatches;
using ::moe::kernels::testing::CutIntoShards;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

using Term = CentroidSums::Term;
using CentroidSumsTest = ::moe::kernels::testing::KernelTest;
using GoldenTest = ::moe::kernels::testing::KernelTest;

// Tokens with clusters and weights.
struct Tokens {
  Tokens(int64_t num_tokens, int64_t num_features, int64_t num_clusters)
      : x(num_tokens, num_features, num_features % 2, num_features % 2 * 3),
        clusters(static_cast<size_t>(num_tokens)) {
    x.Fill("x");
    base::RandomStream stream(1, "clusters");
    for (int32_t& cluster : clusters) {
      cluster = static_cast<int32_t>(
          stream.UniformInt(static_cast<uint64_t>(num_clusters)));
    }
    TestMatrix w(1, num_tokens);
    w.Fill("w", 10.0f);
    weights = w.Values();
  }

  // Those from `first_token` on, of which `range` is added.
  absl::Status AddTo(CentroidSums& sums, int64_t first_token, TokenRange range,
                     bool is_weighted, base::ThreadPool& pool) const {
    const size_t begin = static_cast<size_t>(range.begin - first_token);
    const size_t count = static_cast<size_t>(range.end - range.begin);
    return sums.Add(
        range.begin,
        x.view().Rows(range.begin - first_token, range.end - first_token),
        absl::MakeSpan(clusters).subspan(begin, count),
        is_weighted ? absl::MakeSpan(weights).subspan(begin, count)
                    : absl::Span<const float>(),
        pool);
  }

  TestMatrix x;
  std::vector<int32_t> clusters;
  std::vector<float> weights;
};

TEST_P(CentroidSumsTest, HasTheReferencesBits) {
  for (const int64_t num_tokens : {0, 1, 5, 127, 128, 129, 300}) {
    for (const int64_t num_features : {0, 1, 15, 16, 33, 255, 256, 520}) {
      const int64_t num_clusters = 1 + num_tokens % 16;
      const Tokens tokens(num_tokens, num_features, num_clusters);
      for (const bool is_weighted : {false, true}) {
        for (const Term term : {Term::kValue, Term::kAbsolute}) {
          SCOPED_TRACE(absl::StrCat(num_tokens, " x ", num_features));
          CentroidSums sums({num_clusters, num_features, term});
          MOE_ASSERT_OK(tokens.AddTo(sums, 256, {256, 256 + num_tokens},
                                     is_weighted, pool()));
          MOE_ASSERT_OK(sums.Finish());
          const reference::ClusterSums want = reference::CentroidSums(
              tokens.x.view(), 256, tokens.clusters,
              is_weighted ? tokens.weights : std::vector<float>(), num_clusters,
              term == Term::kAbsolute, kCentroidFractionBits);
          EXPECT_TRUE(BitsEqual<double>(sums.Sums(), want.sums));
          EXPECT_TRUE(BitsEqual<double>(sums.Weights(), want.weights));
          EXPECT_EQ(sums.Counts(), want.counts);
        }
      }
    }
  }
}

TEST_P(CentroidSumsTest, BatchesAndShardsChangeNothing) {
  constexpr int64_t kFirst = 640;
  constexpr int64_t kTokens = 1500;
  const CentroidSums::Options options = {7, 33};
  const Tokens tokens(kTokens, 33, 6);  // One cluster stays empty.
  CentroidSums whole(options);
  MOE_ASSERT_OK(tokens.AddTo(whole, kFirst, {kFirst, kFirst + kTokens},
                             /*is_weighted=*/true, pool()));
  MOE_ASSERT_OK(whole.Finish());
  base::RandomStream stream(1, "cuts");
  for (int repetition = 0; repetition < 5; ++repetition) {
    CentroidSums merged(options);
    for (const TokenRange shard :
         CutIntoShards(stream, {kFirst, kFirst + kTokens})) {
      CentroidSums part(options);
      for (const TokenRange batch : CutIntoBatches(stream, shard)) {
        MOE_ASSERT_OK(tokens.AddTo(part, kFirst, batch, true, pool()));
      }
      MOE_ASSERT_OK(part.Finish());
      MOE_ASSERT_OK_AND_ASSIGN(const CentroidSums parsed,
                               CentroidSums::Parse(part.Serialize()));
      MOE_ASSERT_OK(merged.Merge(parsed));
    }
    EXPECT_TRUE(BitsEqual<double>(merged.Sums(), whole.Sums()));
    EXPECT_TRUE(BitsEqual<double>(merged.Weights(), whole.Weights()));
    EXPECT_EQ(merged.Counts(), whole.Counts());
    EXPECT_EQ(merged.Serialize(), whole.Serialize());
  }
}

TEST_P(CentroidSumsTest, RegroupGivesWhatAddGives) {
  constexpr int64_t kFirst = 384;
  for (const int64_t num_tokens : {1, 128, 200, 700}) {
    for (const int64_t num_features : {1, 33, 520}) {
      for (const bool is_weighted : {false, true}) {
        SCOPED_TRACE(absl::StrCat(num_tokens, " x ", num_features));
        const CentroidSums::Options options = {5, num_features};
        Tokens tokens(num_tokens, num_features, 4);
        const TokenRange all = {kFirst, kFirst + num_tokens};
        CentroidSums sums(options);
        MOE_ASSERT_OK(tokens.AddTo(sums, kFirst, all, is_weighted, pool()));
        MOE_ASSERT_OK(sums.Finish());
        base::RandomStream stream(1, "regroup");
        // One token, none, some, all.
        for (const uint64_t one_in : {1000, 0, 20, 1}) {
          const std::vector<int32_t> old_clusters = tokens.clusters;
          for (int32_t& cluster : tokens.clusters) {
            if (one_in == 0 || stream.UniformInt(one_in) != 0) continue;
            cluster = static_cast<int32_t>(stream.UniformInt(5));
          }
          if (one_in == 1000) tokens.clusters.back() = 4;
          const absl::Span<const float> weights =
              is_weighted ? absl::MakeConstSpan(tokens.weights)
                          : absl::Span<const float>();
          MOE_ASSERT_OK(
              sums.Regroup({kFirst, tokens.x.view(), tokens.clusters, weights},
                           old_clusters, pool()));
          CentroidSums want(options);
          MOE_ASSERT_OK(tokens.AddTo(want, kFirst, all, is_weighted, pool()));
          MOE_ASSERT_OK(want.Finish());
          EXPECT_EQ(sums.Serialize(), want.Serialize());
        }
      }
    }
  }
}

// Chunks that were added to one object, regrouped in another.
TEST_P(CentroidSumsTest, DifferencesMerge) {
  const CentroidSums::Options options = {4, 33};
  Tokens tokens(400, 33, 4);
  CentroidSums first(options), second(options);
  MOE_ASSERT_OK(tokens.AddTo(first, 0, {0, 256}, true, pool()));
  MOE_ASSERT_OK(tokens.AddTo(second, 0, {256, 400}, true, pool()));
  MOE_ASSERT_OK(second.Finish());
  const std::vector<int32_t> old_clusters = tokens.clusters;
  for (size_t t = 0; t < 400; t += 7) {
    tokens.clusters[t] = (tokens.clusters[t] + 1) % 4;
  }
  MOE_ASSERT_OK(second.Regroup({0, tokens.x.view().Rows(0, 256),
                                absl::MakeConstSpan(tokens.clusters).first(256),
                                absl::MakeConstSpan(tokens.weights).first(256)},
                               absl::MakeConstSpan(old_clusters).first(256),
                               pool()));
  MOE_ASSERT_OK(
      first.Regroup({256, tokens.x.view().Rows(256, 400),
                     absl::MakeConstSpan(tokens.clusters).subspan(256),
                     absl::MakeConstSpan(tokens.weights).subspan(256)},
                    absl::MakeConstSpan(old_clusters).subspan(256), pool()));
  MOE_ASSERT_OK(second.Merge(first));
  CentroidSums want(options);
  MOE_ASSERT_OK(tokens.AddTo(want, 0, {0, 400}, true, pool()));
  MOE_ASSERT_OK(want.Finish());
  EXPECT_EQ(second.Serialize(), want.Serialize());
}

TEST_P(CentroidSumsTest, RegroupRefusesBadClustersAndOverflow) {
  TestMatrix x(2, 2);
  CentroidSums sums({3, 2});
  MOE_ASSERT_OK(sums.Add(0, x.view(), {0, 1}, {}, pool()));
  MOE_ASSERT_OK(sums.Finish());
  const std::vector<int32_t> old_clusters = {0, 1}, bad = {0, 3}, good = {2, 1};
  EXPECT_THAT(sums.Regroup({0, x.view(), bad, {}}, old_clusters, pool()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cluster: expected 0 to 2, found 3")));
  EXPECT_THAT(sums.Regroup({0, x.view(), good, {}}, bad, pool()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cluster: expected 0 to 2, found 3")));
  MOE_EXPECT_OK(sums.Regroup({0, x.view(), good, {}}, old_clusters, pool()));
  EXPECT_THAT(sums.Counts(), ElementsAre(0, 1, 1));
  x.view().Row(0)[1] = 0x1p63f;
  EXPECT_THAT(sums.Regroup({0, x.view(), old_clusters, {}}, good, pool()),
              StatusIs(absl::StatusCode::kOutOfRange,
                       HasSubstr("the sum of feature 1 leaves the range")));
}

TEST_P(CentroidSumsTest, KnownValues) {
  TestMatrix x(3, 2);
  // 2 (1, -2) + 0.5 (3, 4); nothing; -1 (5, 6).
  const std::vector<float> values = {1, -2, 5, 6, 3, 4};
  for (size_t i = 0; i < 6; ++i) {
    x.view().Row(static_cast<int64_t>(i / 2))[i % 2] = values[i];
  }
  CentroidSums sums({3, 2});
  MOE_EXPECT_OK(sums.Add(0, x.view(), {0, 2, 0}, {2.0f, -1.0f, 0.5f}, pool()));
  MOE_EXPECT_OK(sums.Finish());
  EXPECT_THAT(sums.Sums(), ElementsAre(3.5, -2.0, 0.0, 0.0, -5.0, -6.0));
  EXPECT_THAT(sums.Weights(), ElementsAre(2.5, 0.0, -1.0));
  EXPECT_THAT(sums.Counts(), ElementsAre(2, 0, 1));
  EXPECT_EQ(sums.num_tokens(), 3);
}

TEST_P(CentroidSumsTest, BadClustersAndWeightsChangeNothing) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  TestMatrix x(2, 2);
  CentroidSums sums({3, 2});
  for (const int32_t cluster : {-1, 3}) {
    EXPECT_THAT(sums.Add(0, x.view(), {0, cluster}, {}, pool()),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("row 1 of the tokens from 0 "
                                                "on: cluster: expected 0 to 2, "
                                                "found ",
                                                cluster))));
  }
  EXPECT_THAT(sums.Add(0, x.view(), {0, 1}, {1.0f, kNan}, pool()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("row 1 of the tokens from 0 on: weight: "
                                 "expected a finite number, found "
                                 "nan")));
  EXPECT_EQ(sums.num_tokens(), 0);
  MOE_EXPECT_OK(sums.Add(0, x.view(), {0, 1}, {}, pool()));
}

TEST_P(CentroidSumsTest, RefusesInfinityAndOverflow) {
  TestMatrix x(2, 2);
  x.view().Row(1)[0] = std::numeric_limits<float>::infinity();
  CentroidSums sums({3, 2});
  EXPECT_THAT(
      sums.Add(0, x.view(), {0, 1}, {1.0f, 0.0f}, pool()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr(
                   "token 1, feature 0: expected a finite number, found inf")));
  x.view().Row(1)[0] = 0x1p62f;
  sums = CentroidSums({3, 2});
  MOE_EXPECT_OK(sums.Add(0, x.view(), {0, 1}, {1.0f, 2.0f}, pool()));
  EXPECT_THAT(sums.Finish(), StatusIs(absl::StatusCode::kOutOfRange,
                                      HasSubstr("cluster 1: the sum of feature "
                                                "0 leaves the range")));
  x.view().Row(1)[0] = 0.0f;
  sums = CentroidSums({3, 2});
  MOE_EXPECT_OK(sums.Add(0, x.view(), {0, 1}, {0x1p63f, 1.0f}, pool()));
  EXPECT_THAT(sums.Finish(), StatusIs(absl::StatusCode::kOutOfRange,
                                      HasSubstr("cluster 0: the sum of weights "
                                                "leaves the range")));
}

TEST_P(GoldenTest, CentroidSums) {
  const Tokens tokens(1000, 90, 5);
  CentroidSums sums({5, 90});
  MOE_ASSERT_OK(tokens.AddTo(sums, 0, {0, 1000}, true, pool()));
  MOE_ASSERT_OK(sums.Finish());
  EXPECT_EQ(Digest<double>(sums.Sums()), "f703f7f849db5066");
  EXPECT_EQ(Digest<double>(sums.Weights()), "0de970c7278ecdeb");
}

INSTANTIATE_TEST_SUITE_P(All, CentroidSumsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);
INSTANTIATE_TEST_SUITE_P(All, GoldenTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(CentroidSumsParseTest, RefusesOtherSumsAndShapes) {
  EXPECT_THAT(CentroidSums::Parse(FeatureSums({5}).Serialize()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected kind 4 or 5, found 1")));
  SumsRecord record;
  record.kind = 4;
  EXPECT_THAT(CentroidSums::Parse(FormatSumsRecord(record)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at least 1 column")));
  record.num_columns = 1;
  record.fraction_bits = {64, 65};
  record.counts = {0, 0};
  record.sums = {0, 0};
  EXPECT_THAT(
      CentroidSums::Parse(FormatSumsRecord(record)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("fraction bits in all clusters, found 64 and 65")));
  record.fraction_bits = {64, 64};
  MOE_EXPECT_OK(CentroidSums::Parse(FormatSumsRecord(record)));
}

}  // namespace
}  // namespace moe::kernels
