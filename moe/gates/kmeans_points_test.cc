#include "moe/gates/kmeans_points.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/memory_budget.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/kernels/rows/distances.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/layer/float_matrix.h"
#include "moe/model/walk/hidden_states.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

constexpr int64_t kNumPoints = 3000;  // Several blocks, the last not full.
constexpr int64_t kNumFeatures = 300;

HiddenStates Points(MemoryBudget& budget, absl::string_view directory) {
  HiddenStates points =
      HiddenStates::Create(kNumPoints, kNumFeatures, budget, directory).value();
  RandomStream stream(/*seed=*/1, "points");
  FloatMatrix buffer;
  const MatrixView<float> rows = points.Prepare(0, kNumPoints, buffer);
  for (int64_t t = 0; t < kNumPoints; ++t) {
    for (float& value : rows.Row(t)) value = stream.UniformSymmetric(2.0f);
  }
  MOE_EXPECT_OK(points.Store(0, rows));
  return points;
}

// What the kernels give for all points at once.
TEST(KmeansPointsTest, GivesWhatOnePassOfTheKernelsGives) {
  const testing::TempDirectory directory;
  MemoryBudget unlimited, nothing(0);
  ThreadPool pool(3);
  HiddenStates plain = Points(unlimited, "");
  FloatMatrix buffer;
  const MatrixView<const float> all = plain.Load(0, kNumPoints, buffer).value();
  const MatrixView<const float> centres = all.Rows(10, 15);
  FloatMatrix l2(kNumPoints, 5), cosine(kNumPoints, 5), got(kNumPoints, 5);
  SquaredL2Distances(all, centres, l2.view(), pool);
  CosineDistances(all, centres, cosine.view(), pool);
  Moments moments(kNumFeatures);
  MOE_ASSERT_OK(moments.Add(0, all, pool));
  MOE_ASSERT_OK(moments.Finish());
  double variance = 0.0;
  for (const double v : moments.Variances()) variance += v;
  std::vector<int32_t> by_two(kNumPoints), by_five(kNumPoints);
  for (int32_t t = 0; t < kNumPoints; ++t) {
    by_two[static_cast<size_t>(t)] = t % 2;
    by_five[static_cast<size_t>(t)] = t % 5;
  }
  CentroidSums::Options options;
  options.num_clusters = 5;
  options.num_features = kNumFeatures;
  CentroidSums want_two(options), want_five(options);
  MOE_ASSERT_OK(want_two.Add(0, all, by_two, {}, pool));
  MOE_ASSERT_OK(want_five.Add(0, all, by_five, {}, pool));
  MOE_ASSERT_OK(want_two.Finish());
  MOE_ASSERT_OK(want_five.Finish());
  for (MemoryBudget* const budget : {&unlimited, &nothing}) {
    HiddenStates points = Points(*budget, directory.path());
    for (const auto metric : {ClusteringOptions::L2, ClusteringOptions::COS}) {
      MOE_ASSERT_OK_AND_ASSIGN(KmeansPoints kmeans,
                               KmeansPoints::Create(points, metric, pool));
      EXPECT_EQ(kmeans.mean_variance(), variance / kNumFeatures);
      MOE_ASSERT_OK(kmeans.Distances(centres, got.view()));
      const FloatMatrix& want = metric == ClusteringOptions::L2 ? l2 : cosine;
      for (int64_t t = 0; t < kNumPoints; ++t) {
        ASSERT_EQ(got.view().Row(t), want.view().Row(t)) << t;
      }
      MOE_ASSERT_OK_AND_ASSIGN(const std::vector<CentroidSums> sums,
                               kmeans.SumByCluster(5, {by_two, by_five}));
      EXPECT_EQ(sums[0].Serialize(), want_two.Serialize());
      EXPECT_EQ(sums[1].Serialize(), want_five.Serialize());
      std::vector<float> point(kNumFeatures);
      MOE_ASSERT_OK(kmeans.CopyPoint(2999, absl::MakeSpan(point)));
      EXPECT_EQ(absl::MakeConstSpan(point), all.Row(2999));
    }
  }
}

TEST(KmeansPointsTest, NamesTheFirstNumberThatIsNotFinite) {
  MemoryBudget budget;
  ThreadPool pool(3);
  HiddenStates points = Points(budget, "");
  FloatMatrix buffer;
  const MatrixView<float> rows = points.Load(0, kNumPoints, buffer).value();
  rows.RowData(2900)[7] = std::nanf("");
  rows.RowData(1500)[33] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(
      KmeansPoints::Create(points, ClusteringOptions::L2, pool).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("token 1500, feature 33: got inf")));
}

}  // namespace
}  // namespace moe
