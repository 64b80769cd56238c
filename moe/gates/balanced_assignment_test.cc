#include "moe/gates/balanced_assignment.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/option_checks.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/testing/balanced_assignment_reference.h"
#include "moe/kernels/rows/distances.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::gates {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::Digest;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Costs are multiples of 2^-20 below 1: sums of them are exact in double.
constexpr double kUnit = 1.0 / (1 << 20);

struct Problem {
  base::Matrix<float> costs;
  SizeBounds bounds;
};

std::vector<int64_t> Sizes(const std::vector<int32_t>& clusters,
                           int64_t num_clusters) {
  std::vector<int64_t> sizes(static_cast<size_t>(num_clusters));
  for (const int32_t cluster : clusters) ++sizes[static_cast<size_t>(cluster)];
  return sizes;
}

// By one object for all tests, which keeps nothing but memory.
absl::StatusOr<std::vector<int32_t>> AssignFrom(
    std::vector<double>& prices, base::MatrixView<const float> costs,
    const SizeBounds& bounds) {
  static base::ThreadPool& pool = *new base::ThreadPool(2);
  static BalancedAssigner& assigner = *new BalancedAssigner();
  MOE_ASSIGN_OR_RETURN(
      const absl::Span<const int32_t> clusters,
      assigner.Assign(costs, bounds, absl::MakeSpan(prices), pool));
  return std::vector<int32_t>(clusters.begin(), clusters.end());
}

absl::StatusOr<std::vector<int32_t>> Assign(base::MatrixView<const float> costs,
                                            const SizeBounds& bounds) {
  std::vector<double> prices(static_cast<size_t>(costs.cols));
  return AssignFrom(prices, costs, bounds);
}

double TotalCost(const Problem& problem, const std::vector<int32_t>& clusters) {
  double sum = 0.0;
  for (int64_t t = 0; t < problem.costs.rows(); ++t) {
    sum += problem.costs.view().Row(
        t)[static_cast<size_t>(clusters[static_cast<size_t>(t)])];
  }
  return sum;
}

void ExpectWithinBounds(const Problem& problem,
                        const std::vector<int32_t>& clusters) {
  ASSERT_EQ(static_cast<int64_t>(clusters.size()), problem.costs.rows());
  for (const int64_t size : Sizes(clusters, problem.costs.cols())) {
    EXPECT_GE(size, problem.bounds.min_size);
    EXPECT_LE(size, problem.bounds.max_size);
  }
}

// Numbers of `num_values` different costs: few make ties. Cluster 0 is the
// nearest of a share of the tokens.
Problem RandomProblem(base::RandomStream& stream, int64_t num_tokens,
                      int64_t num_clusters, double jitter, uint64_t num_values,
                      uint64_t skew) {
  Problem problem = {base::Matrix<float>(num_tokens, num_clusters),
                     BalancedBounds(num_tokens, num_clusters, jitter)};
  for (int64_t t = 0; t < num_tokens; ++t) {
    const absl::Span<float> row = problem.costs.view().Row(t);
    for (float& cost : row) {
      cost = static_cast<float>(
          static_cast<double>(stream.UniformInt(num_values)) *
          ((1 << 20) / num_values) * kUnit);
    }
    if (stream.UniformInt(4) < skew) row[0] = 0.0f;
  }
  return problem;
}

TEST(BalancedAssignerTest, CostsWhatALinearProgramDoes) {
  base::RandomStream stream(/*seed=*/1, "instances");
  const double jitters[] = {0.0, 0.1, 0.4, 1.0};
  for (int instance = 0; instance < 4000; ++instance) {
    const auto num_clusters = static_cast<int64_t>(1 + stream.UniformInt(6));
    const auto num_tokens = static_cast<int64_t>(1 + stream.UniformInt(40));
    const double jitter = jitters[stream.UniformInt(4)];
    const uint64_t num_values = stream.UniformInt(2) == 0 ? 4 : 1 << 20;
    const Problem problem =
        RandomProblem(stream, num_tokens, num_clusters, jitter, num_values,
                      stream.UniformInt(4));
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> clusters,
                             Assign(problem.costs.view(), problem.bounds));
    ExpectWithinBounds(problem, clusters);
    const double want =
        reference::LeastCost(problem.costs.view(), problem.bounds);
    ASSERT_EQ(std::llround(TotalCost(problem, clusters) / kUnit),
              std::llround(want / kUnit))
        << "instance " << instance << ": " << num_tokens << " tokens, "
        << num_clusters << " clusters, jitter " << jitter;
  }
}

TEST(BalancedAssignerTest, TakesBoundsThatNoJitterGives) {
  base::RandomStream stream(/*seed=*/2, "bounds");
  for (int instance = 0; instance < 500; ++instance) {
    const auto num_clusters = static_cast<int64_t>(1 + stream.UniformInt(5));
    const auto num_tokens = static_cast<int64_t>(1 + stream.UniformInt(20));
    Problem problem =
        RandomProblem(stream, num_tokens, num_clusters, 0.0, 1 << 20, 3);
    problem.bounds.min_size = static_cast<int64_t>(stream.UniformInt(
        static_cast<uint64_t>(num_tokens / num_clusters + 1)));
    problem.bounds.max_size += static_cast<int64_t>(stream.UniformInt(5));
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> clusters,
                             Assign(problem.costs.view(), problem.bounds));
    ExpectWithinBounds(problem, clusters);
    ASSERT_EQ(std::llround(TotalCost(problem, clusters) / kUnit),
              std::llround(
                  reference::LeastCost(problem.costs.view(), problem.bounds) /
                  kUnit));
  }
}

// What duality demands of prices: with it, they prove the optimum. Costs must
// be such that sums with prices are exact.
void ExpectPricesProve(const Problem& problem,
                       const std::vector<int32_t>& clusters,
                       const std::vector<double>& prices) {
  for (int64_t t = 0; t < problem.costs.rows(); ++t) {
    const absl::Span<const float> row = problem.costs.view().Row(t);
    const auto own = static_cast<size_t>(clusters[static_cast<size_t>(t)]);
    for (size_t e = 0; e < prices.size(); ++e) {
      ASSERT_LE(row[own] + prices[own], row[e] + prices[e])
          << "token " << t << ", clusters " << own << " and " << e;
    }
  }
  const std::vector<int64_t> sizes = Sizes(clusters, problem.costs.cols());
  for (size_t e = 0; e < prices.size(); ++e) {
    if (sizes[e] > problem.bounds.min_size) {
      EXPECT_GE(prices[e], 0.0) << e;
    }
    if (sizes[e] < problem.bounds.max_size) {
      EXPECT_LE(prices[e], 0.0) << e;
    }
  }
}

// From prices of all kinds: few and many different ones, small and large beside
// the costs.
std::vector<double> RandomPrices(base::RandomStream& stream,
                                 int64_t num_clusters) {
  const uint64_t num_values = stream.UniformInt(2) == 0 ? 3 : 1 << 20;
  const double unit = 1.0 / static_cast<double>(num_values) /
                      static_cast<double>(1 << stream.UniformInt(12));
  std::vector<double> prices;
  for (int64_t e = 0; e < num_clusters; ++e) {
    const auto value = static_cast<double>(stream.UniformInt(2 * num_values));
    prices.push_back((value - static_cast<double>(num_values)) * unit);
  }
  return prices;
}

void ExpectLeastCost(const Problem& problem, std::vector<double>& prices) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<int32_t> clusters,
      AssignFrom(prices, problem.costs.view(), problem.bounds));
  ExpectWithinBounds(problem, clusters);
  ASSERT_EQ(
      std::llround(TotalCost(problem, clusters) / kUnit),
      std::llround(reference::LeastCost(problem.costs.view(), problem.bounds) /
                   kUnit));
  ExpectPricesProve(problem, clusters, prices);
}

TEST(BalancedAssignerTest, CostsTheSameFromAnyPrices) {
  base::RandomStream stream(/*seed=*/6, "prices");
  const double jitters[] = {0.0, 0.1, 0.4, 1.0};
  for (int instance = 0; instance < 2000; ++instance) {
    const auto num_clusters = static_cast<int64_t>(1 + stream.UniformInt(6));
    const auto num_tokens = static_cast<int64_t>(1 + stream.UniformInt(40));
    const double jitter = jitters[stream.UniformInt(4)];
    const uint64_t num_values = stream.UniformInt(2) == 0 ? 4 : 1 << 20;
    Problem problem = RandomProblem(stream, num_tokens, num_clusters, jitter,
                                    num_values, stream.UniformInt(4));
    if (stream.UniformInt(4) == 0) {
      problem.bounds.min_size = static_cast<int64_t>(stream.UniformInt(
          static_cast<uint64_t>(num_tokens / num_clusters + 1)));
      problem.bounds.max_size += static_cast<int64_t>(stream.UniformInt(5));
    }
    SCOPED_TRACE(absl::StrCat("instance ", instance));
    std::vector<double> prices = RandomPrices(stream, num_clusters);
    ExpectLeastCost(problem, prices);
    // Then from the optimum's, for costs and bounds that are a little
    // different.
    for (int step = 0; step < 3; ++step) {
      const auto t = static_cast<int64_t>(
          stream.UniformInt(static_cast<uint64_t>(num_tokens)));
      for (float& cost : problem.costs.view().Row(t)) {
        cost = static_cast<float>(
            static_cast<double>(stream.UniformInt(num_values)) *
            ((1 << 20) / num_values) * kUnit);
      }
      if (stream.UniformInt(3) == 0) {
        problem.bounds = BalancedBounds(num_tokens, num_clusters,
                                        jitters[stream.UniformInt(4)]);
      }
      ExpectLeastCost(problem, prices);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(BalancedAssignerTest, PricesOfTheOptimumKeepIt) {
  base::RandomStream stream(/*seed=*/7, "kept");
  for (const uint64_t num_values : {uint64_t{8}, uint64_t{1} << 20}) {
    const Problem problem = RandomProblem(stream, 3000, 7, 0.05, num_values, 2);
    std::vector<double> prices(7);
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::vector<int32_t> clusters,
        AssignFrom(prices, problem.costs.view(), problem.bounds));
    ExpectPricesProve(problem, clusters, prices);
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::vector<int32_t> again,
        AssignFrom(prices, problem.costs.view(), problem.bounds));
    EXPECT_EQ(TotalCost(problem, again), TotalCost(problem, clusters));
    ExpectPricesProve(problem, again, prices);
  }
}

// As in a clustering: costs that change less and less, the prices going along.
TEST(BalancedAssignerTest, FollowsCostsThatChange) {
  base::RandomStream stream(/*seed=*/8, "drift");
  for (const double jitter : {0.0, 0.1, 0.4}) {
    for (const uint64_t num_values : {uint64_t{16}, uint64_t{1} << 20}) {
      Problem problem = RandomProblem(stream, 4000, 9, jitter, num_values, 2);
      std::vector<double> prices(9);
      for (uint64_t step = 1; step <= 12; ++step) {
        for (int64_t t = 0; t < 4000; ++t) {
          if (stream.UniformInt(step * step) != 0) continue;
          float& cost = problem.costs.view().Row(t)[stream.UniformInt(9)];
          cost = static_cast<float>(
              static_cast<double>(stream.UniformInt(num_values)) *
              ((1 << 20) / num_values) * kUnit);
        }
        MOE_ASSERT_OK_AND_ASSIGN(
            const std::vector<int32_t> warm,
            AssignFrom(prices, problem.costs.view(), problem.bounds));
        ExpectWithinBounds(problem, warm);
        ExpectPricesProve(problem, warm, prices);
        MOE_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> cold,
                                 Assign(problem.costs.view(), problem.bounds));
        ExpectWithinBounds(problem, cold);
        ASSERT_EQ(TotalCost(problem, warm), TotalCost(problem, cold));
      }
    }
  }
}

TEST(BalancedAssignerTest, PricesOfNoUseCountAsZeros) {
  base::RandomStream stream(/*seed=*/9, "useless");
  const Problem problem = RandomProblem(stream, 3000, 3, 0.1, 1 << 20, 2);
  std::vector<double> want_prices(3);
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<int32_t> want,
      AssignFrom(want_prices, problem.costs.view(), problem.bounds));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double price : {nan, infinity, -infinity, 1e300, 3.0, -0.9}) {
    std::vector<double> prices = {0.0, 1e-3, price};
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::vector<int32_t> got,
        AssignFrom(prices, problem.costs.view(), problem.bounds));
    EXPECT_EQ(got, want) << price;
    EXPECT_EQ(prices, want_prices) << price;
  }
}

// Nor of the threads, nor of what an object was used for before.
TEST(BalancedAssignerTest, IsAFunctionOfCostsBoundsAndPrices) {
  base::RandomStream stream(/*seed=*/10, "function");
  Problem problem = RandomProblem(stream, 20000, 8, 0.1, 64, 2);
  std::vector<double> start(8);
  ASSERT_TRUE(AssignFrom(start, problem.costs.view(), problem.bounds).ok());
  for (int64_t t = 0; t < 20000; t += 50) problem.costs.view().Row(t)[1] = 0.0f;
  std::vector<double> want_prices = start;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<int32_t> want,
      AssignFrom(want_prices, problem.costs.view(), problem.bounds));
  for (const int num_threads : {1, 2, 7}) {
    base::ThreadPool pool(num_threads);
    BalancedAssigner fresh;
    std::vector<double> prices = start;
    MOE_ASSERT_OK_AND_ASSIGN(const absl::Span<const int32_t> got,
                             fresh.Assign(problem.costs.view(), problem.bounds,
                                          absl::MakeSpan(prices), pool));
    EXPECT_EQ(got, absl::MakeConstSpan(want));
    EXPECT_EQ(prices, want_prices);
  }
}

// Whether moving tokens around a cycle of clusters could lower the cost: by
// Bellman and Ford over the clusters and the node that sizes flow through.
bool HasImprovingCycle(const Problem& problem,
                       const std::vector<int32_t>& clusters) {
  const int64_t e = problem.costs.cols();
  const auto n = static_cast<size_t>(e + 1);
  std::vector<double> weights(n * n, std::numeric_limits<double>::infinity());
  for (int64_t t = 0; t < problem.costs.rows(); ++t) {
    const absl::Span<const float> row = problem.costs.view().Row(t);
    const auto from = static_cast<size_t>(clusters[static_cast<size_t>(t)]);
    for (size_t to = 0; to < static_cast<size_t>(e); ++to) {
      double& weight = weights[from * n + to];
      weight = std::min(weight, static_cast<double>(row[to]) - row[from]);
    }
  }
  const std::vector<int64_t> sizes = Sizes(clusters, e);
  for (size_t c = 0; c < static_cast<size_t>(e); ++c) {
    if (sizes[c] < problem.bounds.max_size) weights[c * n + n - 1] = 0.0;
    if (sizes[c] > problem.bounds.min_size) weights[(n - 1) * n + c] = 0.0;
  }
  std::vector<double> distance(n, 0.0);
  bool has_changed = true;
  for (size_t round = 0; round <= n && has_changed; ++round) {
    has_changed = false;
    for (size_t a = 0; a < n; ++a) {
      for (size_t b = 0; b < n; ++b) {
        if (distance[a] + weights[a * n + b] < distance[b]) {
          distance[b] = distance[a] + weights[a * n + b];
          has_changed = true;
        }
      }
    }
  }
  return has_changed;
}

TEST(BalancedAssignerTest, ManyTokensHaveNoImprovingCycle) {
  base::RandomStream stream(/*seed=*/3, "many");
  for (const double jitter : {0.0, 0.4}) {
    for (const uint64_t skew : {0, 3}) {
      const Problem problem =
          RandomProblem(stream, 65536, 8, jitter, 1 << 20, skew);
      MOE_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> clusters,
                               Assign(problem.costs.view(), problem.bounds));
      ExpectWithinBounds(problem, clusters);
      EXPECT_FALSE(HasImprovingCycle(problem, clusters))
          << "jitter " << jitter << ", skew " << skew;
      std::vector<double> prices = RandomPrices(stream, 8);
      MOE_ASSERT_OK_AND_ASSIGN(
          const std::vector<int32_t> warm,
          AssignFrom(prices, problem.costs.view(), problem.bounds));
      ExpectWithinBounds(problem, warm);
      EXPECT_FALSE(HasImprovingCycle(problem, warm));
      EXPECT_EQ(TotalCost(problem, warm), TotalCost(problem, clusters));
    }
  }
  const Problem wide = RandomProblem(stream, 4096, 64, 0.2, 1 << 20, 2);
  std::vector<double> prices(64);
  for (int step = 0; step < 2; ++step) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::vector<int32_t> clusters,
        AssignFrom(prices, wide.costs.view(), wide.bounds));
    ExpectWithinBounds(wide, clusters);
    EXPECT_FALSE(HasImprovingCycle(wide, clusters));
    for (double& price : prices) price += 1.0 / 1024;
  }
}

// Distances as they come, of any last bit, and of either sign: 1 - cos may be
// rounded below 0.
TEST(BalancedAssignerTest, DistancesHaveNoImprovingCycle) {
  base::RandomStream stream(/*seed=*/5, "points");
  base::Matrix<float> points(5000, 7);
  for (int64_t t = 0; t < points.rows(); ++t) {
    for (float& x : points.view().Row(t)) x = stream.UniformSymmetric(3.0f);
  }
  base::ThreadPool pool(2);
  for (const bool is_cosine : {false, true}) {
    Problem problem = {base::Matrix<float>(5000, 9),
                       BalancedBounds(5000, 9, 0.05)};
    (is_cosine ? kernels::CosineDistances : kernels::SquaredL2Distances)(
        points.view(), points.view().Rows(0, 9), problem.costs.view(), pool);
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> clusters,
                             Assign(problem.costs.view(), problem.bounds));
    ExpectWithinBounds(problem, clusters);
    EXPECT_FALSE(HasImprovingCycle(problem, clusters));
  }
}

TEST(BalancedAssignerTest, TheCertificateFindsWhatIsNotOptimal) {
  base::RandomStream stream(/*seed=*/4, "certificate");
  const Problem problem = RandomProblem(stream, 1000, 8, 0.1, 1 << 20, 1);
  MOE_ASSERT_OK_AND_ASSIGN(std::vector<int32_t> clusters,
                           Assign(problem.costs.view(), problem.bounds));
  EXPECT_FALSE(HasImprovingCycle(problem, clusters));
  std::swap(clusters[0],
            *std::find_if(clusters.begin(), clusters.end(),
                          [&](int32_t c) { return c != clusters[0]; }));
  EXPECT_TRUE(HasImprovingCycle(problem, clusters));
}

TEST(BalancedAssignerTest, ByHand) {
  // All four are nearest to cluster 0, which may have two: those stay that
  // lose most by leaving, 5 and 4 against 1 and 2.
  const std::vector<float> costs = {0, 1, 0, 5, 0, 2, 0, 4};
  EXPECT_THAT(
      Assign(base::MatrixView<const float>(costs.data(), 4, 2), {2, 2}).value(),
      ElementsAre(1, 0, 1, 0));
  // Without bounds each takes its nearest; of equal ones the first.
  EXPECT_THAT(
      Assign(base::MatrixView<const float>(costs.data(), 4, 2), {0, 4}).value(),
      Each(0));
  EXPECT_THAT(
      Assign(base::MatrixView<const float>(nullptr, 0, 2), {0, 0}).value(),
      IsEmpty());
}

TEST(BalancedAssignerTest, EqualCostsAndTinyOnesAreNoTrouble) {
  for (const float cost : {0.0f, 3.0f, 1e-40f, 3e38f, -2.0f}) {
    base::Matrix<float> costs(10, 3);
    for (int64_t t = 0; t < 10; ++t) {
      for (float& value : costs.view().Row(t)) value = cost;
    }
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> clusters,
                             Assign(costs.view(), {3, 4}));
    for (const int64_t size : Sizes(clusters, 3)) {
      EXPECT_GE(size, 3);
      EXPECT_LE(size, 4);
    }
  }
}

TEST(BalancedAssignerTest, GoldenOfTies) {
  base::RandomStream stream(/*seed=*/5, "ties");
  const Problem problem = RandomProblem(stream, 3000, 7, 0.05, 8, 2);
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> clusters,
                           Assign(problem.costs.view(), problem.bounds));
  // Computed on the first machine: pins which optimum is taken.
  EXPECT_EQ(Digest<int32_t>(clusters), "7f7cc0c40e9f6fa2");
}

TEST(BalancedAssignerTest, RefusesWhatHasNoAnswer) {
  base::Matrix<float> costs(4, 2);
  for (int64_t t = 0; t < 4; ++t) {
    for (float& value : costs.view().Row(t)) value = 1.0f;
  }
  for (const SizeBounds& bounds : {SizeBounds{3, 4}, SizeBounds{0, 1},
                                   SizeBounds{3, 2}, SizeBounds{-1, 4}}) {
    EXPECT_THAT(
        Assign(costs.view(), bounds).status(),
        StatusIs(
            absl::StatusCode::kInvalidArgument,
            HasSubstr("expected bounds that 4 tokens in 2 clusters can keep")));
  }
  costs.view().Row(2)[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(
      Assign(costs.view(), {2, 2}).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("token 2 in cluster 1: expected a finite number")));
  const base::Matrix<float> wide(2, base::kMaxExperts + 1);
  EXPECT_THAT(Assign(wide.view(), {0, 2}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("clusters: expected 1 to 1024, found 1025")));
}

TEST(BalancedBoundsTest, AreThePublishedOnes) {
  // 1024 (1 - 0.4) = 614.4 and 1024 (1 + 0.4) = 1433.6
  EXPECT_EQ(BalancedBounds(8192, 8, 0.4), (SizeBounds{614, 1434}));
  EXPECT_EQ(BalancedBounds(10, 4, 0.0), (SizeBounds{2, 3}));
  EXPECT_EQ(BalancedBounds(8, 4, 0.0), (SizeBounds{2, 2}));
  EXPECT_EQ(BalancedBounds(8, 4, 1.0), (SizeBounds{0, 4}));
  EXPECT_EQ(BalancedBounds(3, 1, 1.0), (SizeBounds{0, 3}));
  // 10 * 1.1 is 11.000000000000002 in double.
  EXPECT_EQ(BalancedBounds(100, 10, 0.1), (SizeBounds{9, 11}));
}

}  // namespace
}  // namespace moe::gates
