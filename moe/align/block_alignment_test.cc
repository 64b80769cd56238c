#include "moe/align/block_alignment.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/model/layer/layer_batch.h"

namespace moe::align {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

AlignOptions Options(AlignOptions::Mode mode,
                     AlignOptions::Parts parts = AlignOptions::FULL) {
  AlignOptions options;
  options.set_alignment_mode(mode);
  options.set_alignment_parts(parts);
  return options;
}

// A feature of y, r and r + y by var(y), cov(r, y), var(r).
BlockMoments OneFeature(double y, double c, double r, double mean_y = 0.0,
                        double mean_r = 0.0) {
  BlockMoments moments;
  moments.routed = {8, {mean_y}, {y}};
  moments.residual = {{8, {mean_r}, {r}},
                      {8, {mean_y + mean_r}, {y + 2 * c + r}}};
  return moments;
}

// scale = sqrt(9 / 4), bias = 1 - 1.5 * 2; sqrt(4 / 16), 3 - 0.5 * -8.
TEST(BlockAlignmentTest, MatchesMeanAndVariance) {
  const BlockMoments moments = {{5, {2.0, -8.0}, {4.0, 16.0}}, std::nullopt};
  const checkpoint::FeatureMoments reference = {7, {1.0, 3.0}, {9.0, 4.0}};
  for (const auto mode : {AlignOptions::EXACT, AlignOptions::PUBLISHED}) {
    MOE_ASSERT_OK_AND_ASSIGN(const BlockAffine affine,
                             AlignBlock(moments, reference, Options(mode)));
    EXPECT_THAT(affine.scale, ElementsAre(1.5f, 0.5f));
    EXPECT_THAT(affine.bias, ElementsAre(-2.0f, 7.0f));
    EXPECT_EQ(affine.num_dead, 0);
    EXPECT_EQ(affine.num_without_root, 0);
  }
}

TEST(BlockAlignmentTest, MagnitudeHasNoBias) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const BlockAffine affine,
      AlignBlock({{5, {2.0}, {4.0}}, std::nullopt}, {7, {1.0}, {9.0}},
                 Options(AlignOptions::EXACT, AlignOptions::MAGNITUDE)));
  EXPECT_THAT(affine.scale, ElementsAre(1.5f));
  EXPECT_THAT(affine.bias, ElementsAre(0.0f));
}

// The bias is that of the scale as it is stored: sqrt(2) as a float is
// 1.41421354, about 2e-8 below.
TEST(BlockAlignmentTest, TheBiasBelongsToTheRoundedScale) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const BlockAffine affine,
      AlignBlock({{5, {1e6}, {1.0}}, std::nullopt}, {7, {1e6}, {2.0}},
                 Options(AlignOptions::EXACT)));
  EXPECT_EQ(affine.bias[0],
            static_cast<float>(1e6 - double{std::sqrt(2.0f)} * 1e6));
}

// Dead: 0; below 1e-12 of 8; of the reference, likewise. Not 1e-11 of it.
TEST(BlockAlignmentTest, DeadFeaturesKeepTheirScale) {
  const BlockMoments moments = {
      {5, {1.0, 1.0, 1.0, 1.0, 1.0}, {8.0, 0.0, 7e-12, 2.0, 8e-11}},
      std::nullopt};
  const checkpoint::FeatureMoments reference = {
      7, {0.0, 5.0, 6.0, 7.0, 2.0}, {32.0, 1.0, 1.0, 2e-11, 32e-11}};
  MOE_ASSERT_OK_AND_ASSIGN(
      const BlockAffine affine,
      AlignBlock(moments, reference, Options(AlignOptions::EXACT)));
  EXPECT_THAT(affine.scale, ElementsAre(2.0f, 1.0f, 1.0f, 1.0f, 2.0f));
  EXPECT_THAT(affine.bias, ElementsAre(-2.0f, 4.0f, 5.0f, 6.0f, 0.0f));
  EXPECT_EQ(affine.num_dead, 3);
  EXPECT_EQ(affine.num_without_root, 0);
  // A block that puts out the same for every token has no others.
  MOE_ASSERT_OK_AND_ASSIGN(
      const BlockAffine constant,
      AlignBlock({{5, {1.0}, {0.0}}, std::nullopt}, {7, {3.0}, {1.0}},
                 Options(AlignOptions::EXACT)));
  EXPECT_THAT(constant.scale, ElementsAre(1.0f));
  EXPECT_THAT(constant.bias, ElementsAre(2.0f));
  EXPECT_EQ(constant.num_dead, 1);
}

struct RootCase {
  double y, c, r, v_ref;
  float scale;
  int64_t num_without_root;
};

TEST(BlockAlignmentTest, TakesTheLargerRootBesideAResidualExpert) {
  const RootCase cases[] = {
      // s^2 + 2 s + 1 = 9: 2 and -4.
      {1, 1, 1, 9, 2.0f, 0},
      // 4 s^2 + 1 = 10: 1.5 and -1.5.
      {4, 0, 1, 10, 1.5f, 0},
      // s^2 - 4 s + 5 = 2: 3 and 1.
      {1, -2, 5, 2, 3.0f, 0},
      // s^2 - 4 s + 5 = 1: 2, twice.
      {1, -2, 5, 1, 2.0f, 0},
      // s^2 - 2 s + 1 = 1: 2 and 0.
      {1, -1, 1, 1, 2.0f, 0},
      // s^2 - 4 s + 5 = 0.5: none.
      {1, -2, 5, 0.5, 1.0f, 1},
      // s^2 + 2 s + 5 = 5: 0 and -2.
      {1, 1, 5, 5, 1.0f, 1},
      // s^2 + 6 s + 7 = 2: -1 and -5.
      {1, 3, 7, 2, 1.0f, 1},
  };
  for (const RootCase& c : cases) {
    // The reference's mean 10 is that of r, 1, and of scale times 3, and bias.
    MOE_ASSERT_OK_AND_ASSIGN(
        const BlockAffine affine,
        AlignBlock(OneFeature(c.y, c.c, c.r, 3.0, 1.0), {7, {10.0}, {c.v_ref}},
                   Options(AlignOptions::EXACT)));
    EXPECT_THAT(affine.scale, ElementsAre(c.scale)) << c.v_ref;
    EXPECT_THAT(affine.bias, ElementsAre(9.0f - 3.0f * c.scale));
    EXPECT_EQ(affine.num_without_root, c.num_without_root);
    EXPECT_EQ(affine.num_dead, 0);
  }
}

// Where c is large beside the gap v_ref - var(r), the schoolbook formula loses
// the small root: of s^2 + 2e3 s = 2e-6, 1e-9 (1 - 5e-13).
TEST(BlockAlignmentTest, SmallRootsDoNotCancel) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const BlockAffine affine,
      AlignBlock(OneFeature(1.0, 1e3, 0.0), {7, {0.0}, {2e-6}},
                 Options(AlignOptions::EXACT)));
  EXPECT_EQ(affine.scale[0], 1e-9f);
}

TEST(BlockAlignmentTest, PublishedLooksAtTheRoutedOutputAlone) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const BlockAffine affine,
      AlignBlock(OneFeature(4.0, -3.0, 100.0, 3.0, 50.0), {7, {10.0}, {9.0}},
                 Options(AlignOptions::PUBLISHED)));
  EXPECT_THAT(affine.scale, ElementsAre(1.5f));
  EXPECT_THAT(affine.bias, ElementsAre(5.5f));  // 10 - 1.5 * 3.
}

// Moments of random tokens before and after the map, by their definition.
TEST(BlockAlignmentTest, GivesTheReferenceBack) {
  base::RandomStream stream(/*seed=*/3, "tokens");
  constexpr size_t kTokens = 500;
  const auto moments_of = [](const std::vector<double>& x) {
    double mean = 0.0, variance = 0.0;
    for (const double v : x) mean += v / kTokens;
    for (const double v : x) variance += (v - mean) * (v - mean) / kTokens;
    return checkpoint::FeatureMoments{kTokens, {mean}, {variance}};
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<double> y, r, sum;
    const double mix = stream.UniformSymmetric(1.0f);
    for (size_t t = 0; t < kTokens; ++t) {
      y.push_back(stream.UniformSymmetric(1.0f) + 0.25);
      r.push_back(mix * y.back() + stream.UniformSymmetric(0.5f));
      sum.push_back(y.back() + r.back());
    }
    const checkpoint::FeatureMoments reference = {
        9, {0.3}, {0.05 + std::fabs(stream.UniformSymmetric(1.0f))}};
    const BlockMoments moments = {moments_of(y),
                                  {{moments_of(r), moments_of(sum)}}};
    MOE_ASSERT_OK_AND_ASSIGN(
        const BlockAffine affine,
        AlignBlock(moments, reference, Options(AlignOptions::EXACT)));
    std::vector<double> after;
    for (size_t t = 0; t < kTokens; ++t) {
      after.push_back(r[t] + affine.scale[0] * y[t] + affine.bias[0]);
    }
    const checkpoint::FeatureMoments got = moments_of(after);
    EXPECT_NEAR(got.mean[0], 0.3, 1e-6);
    if (affine.num_without_root > 0) continue;
    EXPECT_NEAR(got.variance[0] / reference.variance[0], 1.0, 1e-6);
  }
}

TEST(BlockAlignmentTest, WhatIsNoFloatIsRefusedByFeature) {
  const BlockMoments moments = {{5, {1.0, 1.0}, {1.0, 1.0}}, std::nullopt};
  EXPECT_THAT(
      AlignBlock(moments, {7, {0.0, 0.0}, {1e300, 1e300}},
                 Options(AlignOptions::EXACT)),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("the scale of feature 0: expected a number that float32 "
                    "can hold, found 1e+150")));
  EXPECT_THAT(
      AlignBlock(moments, {7, {0.0, 1e39}, {1.0, 1.0}},
                 Options(AlignOptions::EXACT)),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("the bias of feature 1: expected a number that float32 "
                    "can hold, found 1e+39")));
  EXPECT_THAT(AlignBlock(OneFeature(1.0, 1e200, 0.0), {7, {0.0}, {1e300}},
                         Options(AlignOptions::EXACT)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the scale of feature 0")));
}

// N(1, 4) and N(3, 1) give (9 / 4 + 4 (1/4 + 1)) / 2 = 3.625; of equal ones 0.
TEST(MeanSymmetricKlTest, IsTheMeanOverLivingFeatures) {
  const checkpoint::FeatureMoments a = {5, {1.0, 2.0, 9.0}, {4.0, 1.0, 0.0}};
  const checkpoint::FeatureMoments b = {7, {3.0, 2.0, 1.0}, {1.0, 1.0, 1.0}};
  EXPECT_THAT(MeanSymmetricKl(a, b), Optional(DoubleNear(3.625 / 2, 1e-15)));
  EXPECT_THAT(MeanSymmetricKl(b, a), Optional(DoubleNear(3.625 / 2, 1e-15)));
  EXPECT_EQ(MeanSymmetricKl({5, {1.0}, {0.0}}, {7, {1.0}, {1.0}}),
            std::nullopt);
}

base::MatrixView<float> Column(std::vector<float>& values, int64_t begin,
                               int64_t end) {
  return base::MatrixView<float>(values.data(),
                                 static_cast<int64_t>(values.size()), 1)
      .Rows(begin, end);
}

// y = 1, 3; r = 4, -4: sums 5, -1.
TEST(BlockSurveyTest, MeasuresThePartsAndTheirSum) {
  base::ThreadPool pool(1);
  std::vector<float> y = {1.0f, 3.0f}, r = {4.0f, -4.0f};
  BlockSurvey survey(1, /*has_residual=*/true);
  MOE_ASSERT_OK(survey.Add(0, {Column(y, 0, 1), Column(r, 0, 1)}, pool));
  MOE_ASSERT_OK(survey.Add(1, {Column(y, 1, 2), Column(r, 1, 2)}, pool));
  MOE_ASSERT_OK_AND_ASSIGN(const BlockMoments moments, survey.Finish());
  EXPECT_EQ(moments.routed, (checkpoint::FeatureMoments{2, {2.0}, {1.0}}));
  EXPECT_EQ(moments.residual->residual,
            (checkpoint::FeatureMoments{2, {0.0}, {16.0}}));
  EXPECT_EQ(moments.residual->sum,
            (checkpoint::FeatureMoments{2, {2.0}, {9.0}}));
  EXPECT_EQ(moments.whole(), moments.residual->sum);
}

// More rows than are summed at once.
TEST(BlockSurveyTest, GroupsDoNotMatter) {
  base::ThreadPool pool(2);
  std::vector<float> y, r;
  for (int t = 0; t < 1000; ++t) {
    y.push_back(0.001f * static_cast<float>(t * t % 877));
    r.push_back(0.003f * static_cast<float>(t * 7 % 313));
  }
  const auto measure = [&](const std::vector<int64_t>& cuts) {
    BlockSurvey survey(1, /*has_residual=*/true);
    int64_t begin = 0;
    for (const int64_t end : cuts) {
      EXPECT_TRUE(
          survey
              .Add(begin, {Column(y, begin, end), Column(r, begin, end)}, pool)
              .ok());
      begin = end;
    }
    return survey.Finish().value();
  };
  const BlockMoments want = measure({1000});
  const BlockMoments got = measure({1, 300, 700, 1000});
  EXPECT_EQ(got.routed, want.routed);
  EXPECT_EQ(got.residual->residual, want.residual->residual);
  EXPECT_EQ(got.residual->sum, want.residual->sum);
  EXPECT_EQ(want.routed.number, 1000);
}

TEST(BlockSurveyTest, WithoutAResidualExpertTheWholeIsTheOutput) {
  base::ThreadPool pool(1);
  std::vector<float> y = {1.0f, 3.0f};
  BlockSurvey survey(1, /*has_residual=*/false);
  MOE_ASSERT_OK(survey.Add(0, {Column(y, 0, 2), {}}, pool));
  MOE_ASSERT_OK_AND_ASSIGN(const BlockMoments moments, survey.Finish());
  EXPECT_FALSE(moments.residual.has_value());
  EXPECT_EQ(moments.whole(), (checkpoint::FeatureMoments{2, {2.0}, {1.0}}));
}

}  // namespace

}  // namespace moe::align
