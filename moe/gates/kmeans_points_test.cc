#include "moe/gates/kmeans_points.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/kernels/rows/distances.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::gates {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

constexpr int64_t kNumPoints = 3000;  // Several blocks, the last not full.
constexpr int64_t kNumFeatures = 300;

model::HiddenStates Points(base::MemoryBudget& budget,
                           absl::string_view directory) {
  model::HiddenStates points =
      model::HiddenStates::Create(kNumPoints, kNumFeatures, budget, directory)
          .value();
  base::RandomStream stream(/*seed=*/1, "points");
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = points.Prepare(0, kNumPoints, buffer);
  for (int64_t t = 0; t < kNumPoints; ++t) {
    for (float& value : rows.Row(t)) value = stream.UniformSymmetric(2.0f);
  }
  MOE_EXPECT_OK(points.Store(0, rows));
  return points;
}

// The root of the mean square over |x_t|.
std::vector<float> ReciprocalLengths(base::MatrixView<const float> x,
                                     const kernels::Moments& moments,
                                     base::ThreadPool& pool) {
  double variance = 0.0, square = 0.0;
  for (const double v : moments.Variances()) variance += v;
  for (const double mean : moments.Means()) square += mean * mean;
  std::vector<double> norms(static_cast<size_t>(x.rows));
  kernels::SquaredNorms(x, absl::MakeSpan(norms), pool);
  std::vector<float> weights;
  for (const double norm : norms) {
    weights.push_back(
        static_cast<float>(std::sqrt(variance + square) / std::sqrt(norm)));
  }
  return weights;
}

// What the kernels give for all points at once.
TEST(KmeansPointsTest, GivesWhatOnePassOfTheKernelsGives) {
  const base::testing::TempDirectory directory;
  base::MemoryBudget unlimited, nothing(0);
  base::ThreadPool pool(3);
  model::HiddenStates plain = Points(unlimited, "");
  base::Matrix<float> buffer;
  const base::MatrixView<const float> all =
      plain.Load(0, kNumPoints, buffer).value();
  const base::MatrixView<const float> centres = all.Rows(10, 15);
  base::Matrix<float> l2(kNumPoints, 5), cosine(kNumPoints, 5),
      got(kNumPoints, 5);
  kernels::SquaredL2Distances(all, centres, l2.view(), pool);
  kernels::CosineDistances(all, centres, cosine.view(), pool);
  kernels::Moments moments(kNumFeatures);
  MOE_ASSERT_OK(moments.Add(0, all, pool));
  MOE_ASSERT_OK(moments.Finish());
  double variance = 0.0;
  for (const double v : moments.Variances()) variance += v;
  std::vector<int32_t> by_two(kNumPoints), by_five(kNumPoints);
  for (int32_t t = 0; t < kNumPoints; ++t) {
    by_two[static_cast<size_t>(t)] = t % 2;
    by_five[static_cast<size_t>(t)] = t % 5;
  }
  kernels::CentroidSums::Options options;
  options.num_clusters = 5;
  options.num_features = kNumFeatures;
  const auto sum_by = [&](const std::vector<int32_t>& clusters,
                          const std::vector<float>& weights) {
    kernels::CentroidSums sums(options);
    MOE_EXPECT_OK(sums.Add(0, all, clusters, weights, pool));
    MOE_EXPECT_OK(sums.Finish());
    return sums.Serialize();
  };
  const std::vector<float> reciprocals = ReciprocalLengths(all, moments, pool);
  for (base::MemoryBudget* const budget : {&unlimited, &nothing}) {
    model::HiddenStates points = Points(*budget, directory.path());
    for (const auto metric : {ClusteringOptions::L2, ClusteringOptions::COS}) {
      MOE_ASSERT_OK_AND_ASSIGN(KmeansPoints kmeans,
                               KmeansPoints::Create(points, metric, pool));
      EXPECT_EQ(kmeans.mean_variance(), variance / kNumFeatures);
      MOE_ASSERT_OK(kmeans.Distances(centres, {got.view()}));
      const base::Matrix<float>& want =
          metric == ClusteringOptions::L2 ? l2 : cosine;
      base::Matrix<float> first(kNumPoints, 2), second(kNumPoints, 2);
      MOE_ASSERT_OK(
          kmeans.Distances(centres.Rows(1, 5), {first.view(), second.view()}));
      for (int64_t t = 0; t < kNumPoints; ++t) {
        ASSERT_EQ(got.view().Row(t), want.view().Row(t)) << t;
        ASSERT_EQ(first.view().Row(t), want.view().Row(t).subspan(1, 2)) << t;
        ASSERT_EQ(second.view().Row(t), want.view().Row(t).subspan(3, 2)) << t;
      }
      ClusteredPoints two, five;
      MOE_ASSERT_OK(kmeans.SumByCluster(5, {by_two, by_five}, {&two, &five}));
      const std::vector<float> weights =
          metric == ClusteringOptions::L2 ? std::vector<float>() : reciprocals;
      EXPECT_EQ(two.sums->Serialize(), sum_by(by_two, weights));
      EXPECT_EQ(five.sums->Serialize(), sum_by(by_five, weights));
      std::vector<float> point(kNumFeatures);
      MOE_ASSERT_OK(kmeans.CopyPoint(2999, absl::MakeSpan(point)));
      EXPECT_EQ(absl::MakeConstSpan(point), all.Row(2999));
    }
  }
}

// From those before, whatever their distance, and in blocks on several threads.
TEST(KmeansPointsTest, SumsFollowClustersThatChange) {
  base::MemoryBudget budget;
  model::HiddenStates points = Points(budget, "");
  base::RandomStream stream(/*seed=*/2, "changes");
  for (const int num_threads : {1, 3}) {
    base::ThreadPool pool(num_threads);
    for (const auto metric : {ClusteringOptions::L2, ClusteringOptions::COS}) {
      MOE_ASSERT_OK_AND_ASSIGN(KmeansPoints kmeans,
                               KmeansPoints::Create(points, metric, pool));
      std::vector<std::vector<int32_t>> clusters(
          2, std::vector<int32_t>(kNumPoints));
      ClusteredPoints kept[2];
      for (const uint64_t one_in : {1, 2, 40, 300, 1000, 100000}) {
        for (std::vector<int32_t>& restart : clusters) {
          for (int32_t& cluster : restart) {
            if (stream.UniformInt(one_in) != 0) continue;
            cluster = static_cast<int32_t>(stream.UniformInt(5));
          }
        }
        MOE_ASSERT_OK(kmeans.SumByCluster(5, {clusters[0], clusters[1]},
                                          {&kept[0], &kept[1]}));
        for (size_t r = 0; r < 2; ++r) {
          ClusteredPoints fresh;
          MOE_ASSERT_OK(kmeans.SumByCluster(5, {clusters[r]}, {&fresh}));
          EXPECT_EQ(kept[r].sums->Serialize(), fresh.sums->Serialize());
          EXPECT_EQ(kept[r].clusters, clusters[r]);
        }
      }
    }
  }
}

TEST(KmeansPointsTest, CosineCountsDirectionsAlone) {
  base::MemoryBudget budget;
  base::ThreadPool pool(1);
  model::HiddenStates points =
      model::HiddenStates::Create(4, 2, budget, "").value();
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = points.Prepare(0, 4, buffer);
  const float values[] = {1.0f, 0.0f, 0.0f, 1000.0f, 0.0f, 0.0f, 1e-30f, 0.0f};
  std::copy(std::begin(values), std::end(values), rows.data);
  MOE_ASSERT_OK_AND_ASSIGN(
      KmeansPoints kmeans,
      KmeansPoints::Create(points, ClusteringOptions::COS, pool));
  const std::vector<int32_t> clusters = {0, 0, 1, 2};
  ClusteredPoints sums;
  MOE_ASSERT_OK(kmeans.SumByCluster(3, {clusters}, {&sums}));
  // Both directions as much: |x| = 1 and 1000, each with the root of the mean
  // square, r = sqrt((1 + 1e6) / 4) = 500.0005, as its length.
  EXPECT_NEAR(sums.sums->Sums()[0], 500.0005, 1e-3);
  EXPECT_NEAR(sums.sums->Sums()[1], 500.0005, 1e-3);
  // A point of zeros has no direction; one that is next to nothing a little.
  EXPECT_EQ(sums.sums->Weights()[1], 0.0);
  EXPECT_EQ(sums.sums->Weights()[2], 1 << 20);
}

TEST(KmeansPointsTest, NamesTheFirstNumberThatIsNotFinite) {
  base::MemoryBudget budget;
  base::ThreadPool pool(3);
  model::HiddenStates points = Points(budget, "");
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows =
      points.Load(0, kNumPoints, buffer).value();
  rows.RowData(2900)[7] = std::nanf("");
  rows.RowData(1500)[33] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(
      KmeansPoints::Create(points, ClusteringOptions::L2, pool).status(),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr(
              "token 1500, feature 33: expected a finite number, found inf")));
}

}  // namespace
}  // namespace moe::gates
