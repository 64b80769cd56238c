#include "moe/kernels/sums/moments.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
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
#include "moe/kernels/sums/wide_integer.h"
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

using MomentsTest = ::moe::kernels::testing::KernelTest;
using GoldenTest = ::moe::kernels::testing::KernelTest;

Moments AddAll(int64_t first_token, base::MatrixView<const float> rows,
               base::ThreadPool& pool) {
  Moments moments(rows.cols);
  MOE_EXPECT_OK(moments.Add(first_token, rows, pool));
  MOE_EXPECT_OK(moments.Finish());
  return moments;
}

TEST_P(MomentsTest, HasTheReferencesBits) {
  for (const int64_t num_tokens : {1, 3, 4, 5, 127, 128, 129, 300}) {
    for (const int64_t num_features : {0, 1, 15, 16, 17, 33, 600}) {
      SCOPED_TRACE(absl::StrCat(num_tokens, " x ", num_features));
      const int64_t odd = (num_tokens + num_features) % 2;
      TestMatrix x(num_tokens, num_features, odd, 3 * odd);
      x.Fill("x", 1000.0f);
      const Moments moments = AddAll(256, x.view(), pool());
      const reference::MeanAndVariance want = reference::Moments(x.view(), 256);
      EXPECT_TRUE(BitsEqual<double>(moments.Means(), want.means));
      EXPECT_TRUE(BitsEqual<double>(moments.Variances(), want.variances));
    }
  }
}

TEST_P(MomentsTest, KnownValues) {
  TestMatrix x(4, 3);
  // 1, 2, 3, 6: the mean is 12 / 4, the variance (1 + 4 + 9 + 36) / 4 - 9.
  // All the same; and 1, 1, 1, 2: 5 / 4 and 7 / 4 - 25 / 16.
  const std::vector<std::vector<float>> values = {
      {1, -7, 1}, {2, -7, 1}, {3, -7, 1}, {6, -7, 2}};
  for (int64_t r = 0; r < 4; ++r) {
    for (size_t c = 0; c < 3; ++c) {
      x.view().Row(r)[c] = values[static_cast<size_t>(r)][c];
    }
  }
  const Moments moments = AddAll(0, x.view(), pool());
  EXPECT_THAT(moments.Means(), ElementsAre(3.0, -7.0, 1.25));
  EXPECT_THAT(moments.Variances(), ElementsAre(3.5, 0.0, 0.1875));
}

TEST_P(MomentsTest, BatchesAndShardsChangeNothing) {
  constexpr int64_t kFirst = 640;
  constexpr int64_t kTokens = 1500;
  TestMatrix x(kTokens, 33);
  x.Fill("x");
  const base::MatrixView<const float> rows = x.view();
  const Moments whole = AddAll(kFirst, rows, pool());
  base::RandomStream stream(1, "cuts");
  for (int repetition = 0; repetition < 5; ++repetition) {
    Moments merged(33);
    for (const TokenRange shard :
         CutIntoShards(stream, {kFirst, kFirst + kTokens})) {
      Moments part(33);
      for (const TokenRange batch : CutIntoBatches(stream, shard)) {
        MOE_ASSERT_OK(part.Add(
            batch.begin, rows.Rows(batch.begin - kFirst, batch.end - kFirst),
            pool()));
      }
      MOE_ASSERT_OK(part.Finish());
      MOE_ASSERT_OK_AND_ASSIGN(const Moments parsed,
                               Moments::Parse(part.Serialize()));
      MOE_ASSERT_OK(merged.Merge(parsed));
    }
    EXPECT_TRUE(BitsEqual<double>(merged.Means(), whole.Means()));
    EXPECT_TRUE(BitsEqual<double>(merged.Variances(), whole.Variances()));
    EXPECT_EQ(merged.Serialize(), whole.Serialize());
  }
}

TEST_P(MomentsTest, RefusesInfinityAndOverflow) {
  TestMatrix x(3, 2);
  x.view().Row(2)[1] = std::numeric_limits<float>::infinity();
  Moments moments(2);
  EXPECT_THAT(
      moments.Add(0, x.view(), pool()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr(
                   "token 2, feature 1: expected a finite number, found inf")));
  // 2^28 squared is 2^56.
  x.view().Row(2)[1] = 0x1p28f;
  moments = Moments(2);
  MOE_EXPECT_OK(moments.Add(0, x.view(), pool()));
  EXPECT_THAT(moments.Finish(),
              StatusIs(absl::StatusCode::kOutOfRange,
                       HasSubstr("the sum of squares of feature 1 leaves the "
                                 "range: with 72 fraction bits, expected a "
                                 "magnitude below 2^55")));
}

// 1e-15 squared is less than the resolution, its mean is not.
TEST_P(MomentsTest, VarianceIsNeverNegative) {
  TestMatrix x(128, 1);
  for (int64_t r = 0; r < 128; ++r) x.view().Row(r)[0] = 1e-15f;
  EXPECT_EQ(AddAll(0, x.view(), pool()).Variances()[0], 0.0);
}

TEST_P(GoldenTest, Moments) {
  TestMatrix x(1000, 90);
  x.Fill("golden");
  const Moments moments = AddAll(0, x.view(), pool());
  EXPECT_EQ(Digest<double>(moments.Means()), "84ecf12cbce636b9");
  EXPECT_EQ(Digest<double>(moments.Variances()), "f29b8d17ec86a909");
}

INSTANTIATE_TEST_SUITE_P(All, MomentsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);
INSTANTIATE_TEST_SUITE_P(All, GoldenTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// 1e7 floats of mean 1e4 and deviation 1e-2 are multiples of 2^-10, so that
// their sums are exact in 128 bits: of x 2^10, which is about 1e7, the squares
// sum to about 1e21, and n times that is about 1e28.
TEST(MomentsAccuracyTest, SmallDeviationBesideALargeMean) {
  constexpr int64_t kTokens = 10'000'000;
  base::RandomStream stream(1, "small deviation");
  std::vector<float> values(kTokens);
  Int128 s1 = 0, s2 = 0;
  double naive_s1 = 0.0, naive_s2 = 0.0;
  for (float& value : values) {
    // Uniform, with deviation 1e-2.
    value = 1e4f + stream.UniformSymmetric(1.732e-2f);
    const double scaled = double{value} * 1024.0;
    ASSERT_EQ(scaled, std::floor(scaled));
    const Int128 x = static_cast<int64_t>(scaled);
    s1 += x;
    s2 += x * x;
    naive_s1 += value;
    naive_s2 += double{value} * value;
  }
  base::ThreadPool pool(2);
  const Moments moments =
      AddAll(0, base::MatrixView<const float>(values.data(), kTokens, 1), pool);
  const double n = double{kTokens};
  const double want_mean = static_cast<double>(s1) / n / 1024.0;
  const double want_variance =
      static_cast<double>(kTokens * s2 - s1 * s1) / (n * n) / 0x1p20;
  EXPECT_NEAR(std::sqrt(want_variance), 1e-2, 1e-4);
  EXPECT_NEAR(moments.Means()[0], want_mean, 1e-15 * want_mean);
  EXPECT_NEAR(moments.Variances()[0], want_variance, 1e-12 * want_variance);
  const double naive = (naive_s2 - naive_s1 * naive_s1 / n) / n;
  EXPECT_GT(std::fabs(naive - want_variance), 1e-3 * want_variance);
}

TEST(MomentsParseTest, RefusesOtherSumsAndNegativeSquares) {
  EXPECT_THAT(Moments::Parse(FeatureSums({5}).Serialize()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected kind 3, found 1")));
  SumsRecord record;
  record.kind = 3;
  record.num_columns = 1;
  record.fraction_bits = {68, 72};
  record.counts = {0, 0};
  record.sums = {-1, 0};
  MOE_EXPECT_OK(Moments::Parse(FormatSumsRecord(record)));
  record.sums = {0, -1};
  EXPECT_THAT(
      Moments::Parse(FormatSumsRecord(record)),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("the sum of squares of feature 0: expected 0 or more")));
  record.sums = {0, 0};
  record.fraction_bits = {68, 71};
  EXPECT_THAT(Moments::Parse(FormatSumsRecord(record)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("68 and 72 fraction bits")));
}

// The largest sums of the most tokens fit 256 bits.
TEST(MomentsParseTest, TheLargestSumsHaveAMean) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  SumsRecord record;
  record.kind = 3;
  record.num_columns = 2;
  record.fraction_bits = {68, 72};
  MOE_ASSERT_OK(record.tokens.Insert({0, kMax}));
  record.counts = {kMax, kMax};
  const Int128 largest = static_cast<Int128>(~Uint128{0} >> 1);
  record.sums = {-largest - 1, 0, largest, largest};
  MOE_ASSERT_OK_AND_ASSIGN(const Moments moments,
                           Moments::Parse(FormatSumsRecord(record)));
  EXPECT_THAT(moments.Means(), ElementsAre(-0x1p-4, 0.0));
  // 2^55 / 2^63; less the mean's square in the first.
  EXPECT_THAT(moments.Variances(), ElementsAre(0.0, 0x1p-8));
}

TEST(MomentsDeathTest, ThereIsNoMeanOfNothing) {
  EXPECT_DEATH(Moments(2).Means(), "MOE_CHECK");
  EXPECT_DEATH(Moments(2).Variances(), "MOE_CHECK");
}

}  // namespace
}  // namespace moe::kernels
