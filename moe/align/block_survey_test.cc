#include "moe/align/block_survey.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/block_alignment.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/model/layer/layer_batch.h"

namespace moe {
namespace {

MatrixView<float> Column(std::vector<float>& values, int64_t begin,
                         int64_t end) {
  return MatrixView<float>(values.data(), static_cast<int64_t>(values.size()),
                           1)
      .Rows(begin, end);
}

// y = 1, 3; r = 4, -4: sums 5, -1.
TEST(BlockSurveyTest, MeasuresThePartsAndTheirSum) {
  ThreadPool pool(1);
  std::vector<float> y = {1.0f, 3.0f}, r = {4.0f, -4.0f};
  BlockSurvey survey(1, /*has_residual=*/true);
  MOE_ASSERT_OK(survey.Add(0, {Column(y, 0, 1), Column(r, 0, 1)}, pool));
  MOE_ASSERT_OK(survey.Add(1, {Column(y, 1, 2), Column(r, 1, 2)}, pool));
  MOE_ASSERT_OK_AND_ASSIGN(const BlockMoments moments, survey.Finish());
  EXPECT_EQ(moments.routed, (FeatureMoments{2, {2.0}, {1.0}}));
  EXPECT_EQ(moments.residual->residual, (FeatureMoments{2, {0.0}, {16.0}}));
  EXPECT_EQ(moments.residual->sum, (FeatureMoments{2, {2.0}, {9.0}}));
  EXPECT_EQ(moments.whole(), moments.residual->sum);
}

// More rows than are summed at once.
TEST(BlockSurveyTest, GroupsDoNotMatter) {
  ThreadPool pool(2);
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
  ThreadPool pool(1);
  std::vector<float> y = {1.0f, 3.0f};
  BlockSurvey survey(1, /*has_residual=*/false);
  MOE_ASSERT_OK(survey.Add(0, {Column(y, 0, 2), {}}, pool));
  MOE_ASSERT_OK_AND_ASSIGN(const BlockMoments moments, survey.Finish());
  EXPECT_FALSE(moments.residual.has_value());
  EXPECT_EQ(moments.whole(), (FeatureMoments{2, {2.0}, {1.0}}));
}

}  // namespace
}  // namespace moe
