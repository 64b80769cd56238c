#include "moe/gates/balanced_kmeans.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::gates {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using ::testing::ValuesIn;

// Points about `num_blobs` centres, which lie at 10 times the e-th unit vector.
model::HiddenStates Blobs(int64_t num_points, int64_t num_blobs, int64_t size,
                          base::MemoryBudget& budget,
                          absl::string_view directory) {
  model::HiddenStates points =
      model::HiddenStates::Create(num_points, size, budget, directory).value();
  base::RandomStream stream(/*seed=*/1, "blobs");
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = points.Prepare(0, num_points, buffer);
  for (int64_t t = 0; t < num_points; ++t) {
    for (float& value : rows.Row(t)) value = stream.UniformSymmetric(1.0f);
    rows.Row(t)[stream.UniformInt(static_cast<uint64_t>(num_blobs))] += 10.0f;
  }
  MOE_EXPECT_OK(points.Store(0, rows));
  return points;
}

ClusteringOptions Options(int64_t num_experts, double jitter) {
  ClusteringOptions options;
  options.set_num_experts(num_experts);
  options.set_balance_jitter_factor(jitter);
  options.set_n_init(4);
  return options;
}

absl::StatusOr<Clustering> Cluster(model::HiddenStates& points,
                                   const ClusteringOptions& options,
                                   absl::string_view stream_name,
                                   base::MemoryBudget& budget,
                                   base::ThreadPool& pool) {
  MOE_ASSIGN_OR_RETURN(
      const ClusteringMemory memory,
      ClusteringMemory::Reserve(
          {points.num_tokens(), points.hidden_size(), pool.num_threads()},
          options, budget));
  return ClusterBalanced(points, options, stream_name, {memory, pool, nullptr});
}

TEST(ClusterBalancedTest, FindsBlobs) {
  base::MemoryBudget budget;
  base::ThreadPool pool(2);
  model::HiddenStates points = Blobs(3000, 6, 20, budget, "");
  for (const auto metric : {ClusteringOptions::L2, ClusteringOptions::COS}) {
    ClusteringOptions options = Options(6, 0.4);
    options.set_distance_metric(metric);
    MOE_ASSERT_OK_AND_ASSIGN(const Clustering clustering,
                             Cluster(points, options, "blobs", budget, pool));
    EXPECT_EQ(clustering.bounds, (SizeBounds{300, 700}));
    std::set<int64_t> found;
    int64_t sum = 0;
    for (int64_t e = 0; e < 6; ++e) {
      const absl::Span<const float> centroid =
          clustering.centroids.view().Row(e);
      const int64_t largest =
          std::max_element(centroid.begin(), centroid.end()) - centroid.begin();
      EXPECT_NEAR(centroid[static_cast<size_t>(largest)], 10.0, 0.2);
      found.insert(largest);
      EXPECT_NEAR(clustering.sizes[static_cast<size_t>(e)], 500, 100);
      sum += clustering.sizes[static_cast<size_t>(e)];
    }
    EXPECT_EQ(found.size(), 6);
    EXPECT_EQ(sum, 3000);
    // Far apart, so that routing agrees.
    EXPECT_EQ(clustering.routed_counts, clustering.sizes);
  }
}

TEST(ClusterBalancedTest, KeepsBoundsAndNeverGetsWorse) {
  base::MemoryBudget budget;
  base::ThreadPool pool(2);
  model::HiddenStates points = Blobs(2000, 3, 12, budget, "");
  // The lengths differ much, as the first tokens of texts have them: for COS
  // the plain mean of a cluster would follow the longest.
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = points.Load(0, 2000, buffer).value();
  for (int64_t t = 0; t < 2000; t += 10) {
    for (float& x : rows.Row(t)) x *= 300.0f;
  }
  std::vector<ClusteringOptions> all_options;
  for (const double jitter : {0.0, 0.1, 1.0}) {
    all_options.push_back(Options(7, jitter));
    all_options.push_back(Options(7, jitter));
    all_options.back().set_distance_metric(ClusteringOptions::COS);
  }
  for (const ClusteringOptions& options : all_options) {
    MOE_ASSERT_OK_AND_ASSIGN(const Clustering clustering,
                             Cluster(points, options, "bounds", budget, pool));
    ASSERT_EQ(clustering.restarts.size(), 4);
    for (const int64_t size : clustering.sizes) {
      EXPECT_GE(size, clustering.bounds.min_size);
      EXPECT_LE(size, clustering.bounds.max_size);
    }
    double least = clustering.restarts[0].inertia;
    for (const ClusteringRestart& restart : clustering.restarts) {
      least = std::min(least, restart.inertia);
      EXPECT_EQ(static_cast<int64_t>(restart.iteration_costs.size()),
                restart.num_iterations);
      for (size_t i = 1; i < restart.iteration_costs.size(); ++i) {
        EXPECT_LE(restart.iteration_costs[i],
                  restart.iteration_costs[i - 1] * (1 + 1e-7));
      }
      EXPECT_LE(restart.inertia, restart.iteration_costs.back() * (1 + 1e-7));
    }
    EXPECT_EQ(clustering.restarts[static_cast<size_t>(clustering.best_restart)]
                  .inertia,
              least);
  }
}

std::vector<float> ValuesOf(const Clustering& clustering) {
  const base::MatrixView<const float> rows = clustering.centroids.view();
  std::vector<float> values(rows.data, rows.data + rows.rows * rows.cols);
  for (const ClusteringRestart& restart : clustering.restarts) {
    values.push_back(static_cast<float>(restart.inertia));
    values.push_back(static_cast<float>(restart.num_iterations));
  }
  for (const int64_t size : clustering.sizes) {
    values.push_back(static_cast<float>(size));
  }
  return values;
}

using ClusterBalancedBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(ClusterBalancedBitsTest, GoldenForAllBudgets) {
  const base::testing::TempDirectory directory;
  base::MemoryBudget unlimited;
  base::MemoryBudget nothing(0);
  // In memory with all restarts at once; spilled, one restart after another.
  for (const bool is_small : {false, true}) {
    model::HiddenStates points =
        Blobs(700, 5, 19, is_small ? nothing : unlimited, directory.path());
    EXPECT_EQ(points.is_spilled(), is_small);
    base::MemoryBudget budget(is_small ? 300000
                                       : base::MemoryBudget::kUnlimited);
    const auto digest = [&](ClusteringOptions::DistanceMetric metric) {
      ClusteringOptions options = Options(5, 0.2);
      options.set_distance_metric(metric);
      const absl::StatusOr<Clustering> clustering =
          Cluster(points, options, "golden", budget, pool());
      return clustering.ok() ? Digest<float>(ValuesOf(*clustering))
                             : std::string(clustering.status().message());
    };
    // Computed on the first machine: pins the bits everywhere.
    EXPECT_EQ(digest(ClusteringOptions::L2), "f18fbb6c58677326");
    EXPECT_EQ(digest(ClusteringOptions::COS), "66f14c6631cb9aa8");
  }
}

INSTANTIATE_TEST_SUITE_P(All, ClusterBalancedBitsTest,
                         ValuesIn(KernelMachines()), KernelMachineName);

TEST(ClusteringMemoryTest, HasRestartsInAQuarterOfWhatIsLeft) {
  // A restart of 1000 points of 10 features, 4 clusters, and 2 threads:
  // 1000 (4 (4 + 32) + 68) + 4 x 4 x 24 + 4 x 224 x 2 x 4 +
  // 4 x 10 (24 x 2 + 16) = 222112;
  // 8000 of norms.
  ClusteringOptions options = Options(4, 0.0);
  options.set_n_init(10);
  const auto at_once = [&](int64_t limit_bytes) {
    base::MemoryBudget budget(limit_bytes);
    const absl::StatusOr<ClusteringMemory> memory =
        ClusteringMemory::Reserve({1000, 10, 2}, options, budget);
    if (!memory.ok()) return int64_t{0};
    EXPECT_EQ(budget.reserved_bytes(),
              memory->restarts_at_once * 222112 + 8000);
    return memory->restarts_at_once;
  };
  EXPECT_EQ(at_once(base::MemoryBudget::kUnlimited), 10);
  EXPECT_EQ(at_once(4 * 3 * 222112), 3);
  EXPECT_EQ(at_once(230112), 1);
  EXPECT_EQ(at_once(230111), 0);
}

TEST(ClusterBalancedTest, TellsHowFarItIs) {
  base::MemoryBudget budget;
  base::ThreadPool pool(1);
  model::HiddenStates points = Blobs(60, 2, 6, budget, "");
  const ClusteringMemory memory = {2, {}};
  std::vector<std::string> details;
  MOE_EXPECT_OK(ClusterBalanced(points, Options(2, 0.5), "told",
                                {memory, pool,
                                 [&](absl::string_view detail) {
                                   details.emplace_back(detail);
                                 }})
                    .status());
  ASSERT_GE(details.size(), 3);
  EXPECT_EQ(details[0], "centre 1 of 2");
  EXPECT_EQ(details[2], "iteration 1 of 2 restarts");
}

TEST(ClusterBalancedTest, RestartsDoNotDependOnTheirCompany) {
  base::MemoryBudget budget;
  base::ThreadPool pool(2);
  model::HiddenStates points = Blobs(500, 4, 9, budget, "");
  const ClusteringMemory together = {4, {}};
  const ClusteringMemory three_and_one = {3, {}};
  MOE_ASSERT_OK_AND_ASSIGN(const Clustering want,
                           ClusterBalanced(points, Options(4, 0.3), "company",
                                           {together, pool, nullptr}));
  MOE_ASSERT_OK_AND_ASSIGN(const Clustering got,
                           ClusterBalanced(points, Options(4, 0.3), "company",
                                           {three_and_one, pool, nullptr}));
  EXPECT_EQ(ValuesOf(got), ValuesOf(want));
}

// Two different points for three clusters that may be empty.
TEST(ClusterBalancedTest, AClusterWithoutTokensKeepsItsCentroid) {
  base::MemoryBudget budget;
  base::ThreadPool pool(1);
  model::HiddenStates points =
      model::HiddenStates::Create(10, 2, budget, "").value();
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = points.Prepare(0, 10, buffer);
  for (int64_t t = 0; t < 10; ++t) {
    rows.RowData(t)[0] = t < 5 ? 1.0f : 0.0f;
    rows.RowData(t)[1] = t < 5 ? 0.0f : 2.0f;
  }
  for (const auto metric : {ClusteringOptions::L2, ClusteringOptions::COS}) {
    ClusteringOptions options = Options(3, 1.0);
    options.set_distance_metric(metric);
    MOE_ASSERT_OK_AND_ASSIGN(const Clustering clustering,
                             Cluster(points, options, "empty", budget, pool));
    EXPECT_THAT(clustering.sizes, UnorderedElementsAre(0, 5, 5));
    for (int64_t e = 0; e < 3; ++e) {
      EXPECT_THAT(clustering.centroids.view().Row(e),
                  AnyOf(ElementsAre(1.0f, 0.0f), ElementsAre(0.0f, 2.0f)));
    }
  }
}

TEST(ClusterBalancedTest, EdgesAreDefined) {
  base::MemoryBudget budget;
  base::ThreadPool pool(1);
  // One expert: the mean.
  model::HiddenStates points = Blobs(100, 2, 6, budget, "");
  MOE_ASSERT_OK_AND_ASSIGN(
      const Clustering one,
      Cluster(points, Options(1, 0.0), "one", budget, pool));
  EXPECT_THAT(one.sizes, ElementsAre(100));
  // As many experts as points: every point is one.
  model::HiddenStates few = Blobs(5, 2, 6, budget, "");
  MOE_ASSERT_OK_AND_ASSIGN(const Clustering each,
                           Cluster(few, Options(5, 0.0), "each", budget, pool));
  EXPECT_THAT(each.sizes, Each(1));
  // The same point again and again: balanced all the same, whether or not its
  // distance to itself is rounded to 0.
  for (const float value : {0.5f, 0.1f}) {
    model::HiddenStates same =
        model::HiddenStates::Create(12, 37, budget, "").value();
    base::Matrix<float> buffer;
    const base::MatrixView<float> rows = same.Prepare(0, 12, buffer);
    for (int64_t t = 0; t < 12; ++t) {
      for (float& x : rows.Row(t)) x = value;
    }
    MOE_ASSERT_OK_AND_ASSIGN(
        const Clustering clones,
        Cluster(same, Options(3, 0.0), "same", budget, pool));
    EXPECT_THAT(clones.sizes, Each(4));
    EXPECT_LT(clones.restarts[0].inertia, 1e-5);
  }
}

TEST(ClusterBalancedTest, RefusesWhatHasNoAnswer) {
  base::MemoryBudget budget;
  base::ThreadPool pool(1);
  model::HiddenStates points = Blobs(5, 2, 6, budget, "");
  const ClusteringMemory memory;
  EXPECT_THAT(
      ClusterBalanced(points, Options(6, 0.0), "x", {memory, pool, nullptr})
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected at most 5, the number of tokens, found 6")));
  EXPECT_THAT(
      ClusterBalanced(points, Options(2, -1.0), "x", {memory, pool, nullptr})
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("balance_jitter_factor: expected 0 to 1, found -1")));
  EXPECT_THAT(CheckClustering(int64_t{1} << 31, Options(2, 0.0)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected at most 2147483647, found")));
  base::MemoryBudget small(10);
  EXPECT_THAT(Cluster(points, Options(2, 0.0), "x", small, pool).status(),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("--memory_budget=")));
}

}  // namespace
}  // namespace moe::gates
