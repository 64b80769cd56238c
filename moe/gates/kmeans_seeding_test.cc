#include "moe/gates/kmeans_seeding.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/kmeans_points.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::gates {
namespace {

using ::testing::ElementsAre;

// 40 times each of the points (0, 0), (100, 0), (0, 100), (100, 100), and
// within 1 of it.
model::HiddenStates Corners(base::MemoryBudget& budget) {
  model::HiddenStates points =
      model::HiddenStates::Create(160, 2, budget, "").value();
  base::RandomStream stream(/*seed=*/1, "corners");
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = points.Prepare(0, 160, buffer);
  for (int64_t t = 0; t < 160; ++t) {
    rows.RowData(t)[0] =
        (t % 2 == 0 ? 0.0f : 100.0f) + stream.UniformSymmetric(1.0f);
    rows.RowData(t)[1] =
        (t % 4 < 2 ? 0.0f : 100.0f) + stream.UniformSymmetric(1.0f);
  }
  return points;
}

std::vector<base::RandomStream> Streams(int count) {
  std::vector<base::RandomStream> streams;
  for (int r = 0; r < count; ++r) streams.emplace_back(r, "seeding");
  return streams;
}

// A drawn point of a corner that has a centre leaves far more than one of
// another corner, so that the greedy choice always takes a new corner.
TEST(SeedCentroidsTest, EveryCornerGetsACentre) {
  base::MemoryBudget budget;
  base::ThreadPool pool(2);
  model::HiddenStates corners = Corners(budget);
  MOE_ASSERT_OK_AND_ASSIGN(
      KmeansPoints points,
      KmeansPoints::Create(corners, ClusteringOptions::L2, pool));
  std::vector<base::RandomStream> streams = Streams(20);
  std::vector<std::string> details;
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<base::Matrix<float>> centroids,
                           SeedCentroids(points, 4, absl::MakeSpan(streams),
                                         [&](absl::string_view detail) {
                                           details.emplace_back(detail);
                                         }));
  EXPECT_THAT(details, ElementsAre("centre 1 of 4", "centre 2 of 4",
                                   "centre 3 of 4", "centre 4 of 4"));
  ASSERT_EQ(centroids.size(), 20);
  std::set<float> first_centres;
  for (const base::Matrix<float>& centres : centroids) {
    std::set<int> found;
    for (int64_t e = 0; e < 4; ++e) {
      const float* const row = centres.view().RowData(e);
      found.insert((row[0] > 50.0f ? 1 : 0) + (row[1] > 50.0f ? 2 : 0));
    }
    EXPECT_EQ(found.size(), 4);
    first_centres.insert(centres.view().RowData(0)[0]);
  }
  // Each restart has a stream of its own.
  EXPECT_GT(first_centres.size(), 10);
}

TEST(SeedCentroidsTest, ARestartDoesNotDependOnTheOthers) {
  base::MemoryBudget budget;
  base::ThreadPool pool(3);
  model::HiddenStates corners = Corners(budget);
  MOE_ASSERT_OK_AND_ASSIGN(
      KmeansPoints points,
      KmeansPoints::Create(corners, ClusteringOptions::COS, pool));
  std::vector<base::RandomStream> all = Streams(5);
  std::vector<base::RandomStream> first = Streams(1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<base::Matrix<float>> together,
      SeedCentroids(points, 7, absl::MakeSpan(all), nullptr));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<base::Matrix<float>> alone,
      SeedCentroids(points, 7, absl::MakeSpan(first), nullptr));
  for (int64_t e = 0; e < 7; ++e) {
    EXPECT_EQ(together[0].view().Row(e), alone[0].view().Row(e));
  }
}

std::vector<int> CountsOfDraws(const std::vector<float>& weights,
                               int num_draws) {
  base::RandomStream stream(/*seed=*/1, "draws");
  std::vector<int> counts(weights.size());
  for (int i = 0; i < num_draws; ++i) {
    ++counts[static_cast<size_t>(DrawByWeight(weights, 1, stream).front())];
  }
  return counts;
}

TEST(DrawByWeightTest, ChancesAreTheWeights) {
  // 0 : 1 : 3 : 0 : 4 of 80,000 draws; six standard deviations are at most 850.
  for (const float scale : {1.0f, 1e-30f, 1e30f}) {
    const std::vector<int> counts =
        CountsOfDraws({0.0f, scale, 3 * scale, 0.0f, 4 * scale}, 80000);
    EXPECT_EQ(counts[0], 0);
    EXPECT_NEAR(counts[1], 10000, 850);
    EXPECT_NEAR(counts[2], 30000, 850);
    EXPECT_EQ(counts[3], 0);
    EXPECT_NEAR(counts[4], 40000, 850);
  }
}

TEST(DrawByWeightTest, ZerosAreUniform) {
  for (const int count : CountsOfDraws({0.0f, 0.0f, 0.0f, 0.0f}, 40000)) {
    EXPECT_NEAR(count, 10000, 550);
  }
  EXPECT_THAT(CountsOfDraws({0.0f}, 10), ElementsAre(10));
  EXPECT_THAT(CountsOfDraws({7.0f}, 10), ElementsAre(10));
}

TEST(DrawByWeightTest, Golden) {
  base::RandomStream stream(/*seed=*/2, "golden");
  std::vector<float> weights(1000);
  for (float& weight : weights) {
    weight = std::fabs(stream.UniformSymmetric(1.0f));
  }
  const std::vector<int64_t> draws = DrawByWeight(weights, 5, stream);
  // Computed on the first machine: pins them everywhere.
  EXPECT_THAT(draws, ElementsAre(12, 835, 278, 778, 315));
}

}  // namespace

}  // namespace moe::gates
