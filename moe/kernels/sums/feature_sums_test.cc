#include "moe/kernels/sums/feature_sums.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/moments.h"
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
using ::testing::HasSubstr;
using ::testing::ValuesIn;

using Term = FeatureSums::Term;
using FeatureSumsTest = ::moe::kernels::testing::KernelTest;
using GoldenTest = ::moe::kernels::testing::KernelTest;

FeatureSums AddAll(const FeatureSums::Options& options, int64_t first_token,
                   base::MatrixView<const float> rows, base::ThreadPool& pool) {
  FeatureSums sums(options);
  MOE_EXPECT_OK(sums.Add(first_token, rows, pool));
  MOE_EXPECT_OK(sums.Finish());
  return sums;
}

TEST_P(FeatureSumsTest, HasTheReferencesBits) {
  for (const int64_t num_tokens : {0, 1, 3, 4, 5, 127, 128, 129, 300}) {
    for (const int64_t num_features : {0, 1, 15, 16, 17, 33, 1100}) {
      for (const Term term : {Term::kValue, Term::kAbsolute}) {
        SCOPED_TRACE(absl::StrCat(num_tokens, " x ", num_features));
        const int64_t odd = (num_tokens + num_features) % 2;
        TestMatrix x(num_tokens, num_features, odd, 3 * odd);
        x.Fill("x");
        const FeatureSums sums =
            AddAll({num_features, term}, 256, x.view(), pool());
        EXPECT_TRUE(BitsEqual<double>(
            sums.Sums(),
            reference::FeatureSums(x.view(), 256, term == Term::kAbsolute,
                                   kScoreFractionBits)));
        EXPECT_EQ(sums.num_tokens(), num_tokens);
        EXPECT_TRUE(x.PaddingIsUntouched());
      }
    }
  }
}

TEST_P(FeatureSumsTest, EveryNumberOfFractionBits) {
  TestMatrix x(200, 20);
  x.Fill("x", 0x1p-9f);  // So that 200 of them stay below 1.
  for (int bits = 0; bits <= 127; ++bits) {
    const FeatureSums sums =
        AddAll({20, Term::kValue, bits}, 0, x.view(), pool());
    EXPECT_TRUE(BitsEqual<double>(
        sums.Sums(), reference::FeatureSums(x.view(), 0, false, bits)))
        << bits;
  }
}

// Batches may cut chunks, shards may not; shards come in any order.
TEST_P(FeatureSumsTest, BatchesAndShardsChangeNothing) {
  constexpr int64_t kFirst = 640;
  constexpr int64_t kTokens = 1500;
  const FeatureSums::Options options = {33, Term::kAbsolute};
  TestMatrix x(kTokens, 33);
  x.Fill("x");
  const base::MatrixView<const float> rows = x.view();
  const FeatureSums whole = AddAll(options, kFirst, rows, pool());
  base::RandomStream stream(1, "cuts");
  for (int repetition = 0; repetition < 5; ++repetition) {
    FeatureSums merged(options);
    for (const TokenRange shard :
         CutIntoShards(stream, {kFirst, kFirst + kTokens})) {
      FeatureSums part(options);
      for (const TokenRange batch : CutIntoBatches(stream, shard)) {
        MOE_ASSERT_OK(part.Add(
            batch.begin, rows.Rows(batch.begin - kFirst, batch.end - kFirst),
            pool()));
      }
      MOE_ASSERT_OK(part.Finish());
      MOE_ASSERT_OK_AND_ASSIGN(const FeatureSums parsed,
                               FeatureSums::Parse(part.Serialize()));
      MOE_ASSERT_OK(merged.Merge(parsed));
    }
    EXPECT_TRUE(BitsEqual<double>(merged.Sums(), whole.Sums()));
    EXPECT_EQ(merged.Serialize(), whole.Serialize());
  }
}

TEST_P(FeatureSumsTest, TinyScoresKeepTheirDigits) {
  TestMatrix x(128, 1);
  for (int64_t r = 0; r < 128; ++r) x.view().Row(r)[0] = 1e-12f;
  const FeatureSums sums = AddAll({1, Term::kAbsolute}, 0, x.view(), pool());
  EXPECT_NEAR(sums.Sums()[0], 128.0 * double{1e-12f}, 1e-24);
}

TEST_P(FeatureSumsTest, RefusesNanAndOverflow) {
  TestMatrix x(3, 2);
  x.view().Row(2)[1] = std::numeric_limits<float>::quiet_NaN();
  FeatureSums sums({2});
  EXPECT_THAT(
      sums.Add(128, x.view(), pool()),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr(
              "token 130, feature 1: expected a finite number, found nan")));
  x.view().Row(2)[1] = 0x1p47f;
  sums = FeatureSums({2});
  MOE_EXPECT_OK(sums.Add(128, x.view(), pool()));
  EXPECT_THAT(
      sums.Finish(),
      StatusIs(absl::StatusCode::kOutOfRange,
               HasSubstr("the sum of feature 1 leaves the range: with "
                         "80 fraction bits, expected a magnitude below 2^47")));
}

TEST_P(GoldenTest, FeatureSums) {
  TestMatrix x(1000, 90);
  x.Fill("golden");
  const FeatureSums values = AddAll({90}, 0, x.view(), pool());
  const FeatureSums magnitudes =
      AddAll({90, Term::kAbsolute}, 0, x.view(), pool());
  EXPECT_EQ(Digest<double>(values.Sums()), "3d7416c25cac6417");
  EXPECT_EQ(Digest<double>(magnitudes.Sums()), "7fe30b2323a22999");
}

INSTANTIATE_TEST_SUITE_P(All, FeatureSumsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);
INSTANTIATE_TEST_SUITE_P(All, GoldenTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(FeatureSumsParseTest, KeepsTheOptions) {
  for (const Term term : {Term::kValue, Term::kAbsolute}) {
    FeatureSums sums({5, term, 90});
    MOE_ASSERT_OK_AND_ASSIGN(const FeatureSums parsed,
                             FeatureSums::Parse(sums.Serialize()));
    EXPECT_EQ(parsed.options().num_features, 5);
    EXPECT_EQ(parsed.options().term, term);
    EXPECT_EQ(parsed.options().fraction_bits, 90);
    EXPECT_THAT(sums.Merge(FeatureSums({5, term, 91})),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(FeatureSumsParseTest, RefusesOtherSums) {
  EXPECT_THAT(FeatureSums::Parse(Moments(5).Serialize()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected kind 1 or 2, found 3")));
  SumsRecord record;
  record.kind = 1;
  record.num_columns = 2;
  EXPECT_THAT(FeatureSums::Parse(FormatSumsRecord(record)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected 1 group, found 0")));
}

TEST(FeatureSumsDeathTest, ResultsAreOfFinishedSums) {
  base::ThreadPool pool(1);
  TestMatrix x(3, 2);
  FeatureSums sums({2});
  MOE_EXPECT_OK(sums.Add(0, x.view(), pool));
  EXPECT_DEATH(sums.Sums(), "MOE_CHECK");
  EXPECT_DEATH(sums.Serialize(), "MOE_CHECK");
  TestMatrix wide(3, 3);
  EXPECT_DEATH(sums.Add(3, wide.view(), pool).IgnoreError(), "MOE_CHECK");
}

}  // namespace
}  // namespace moe::kernels
