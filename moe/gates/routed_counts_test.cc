#include "moe/gates/routed_counts.h"

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/model/walk/hidden_states.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// More rows than are taken at once. Row t is (1, 0) if t is a multiple of 3,
// else (0, 1).
HiddenStates Points(int64_t num_points, MemoryBudget& budget) {
  HiddenStates points = HiddenStates::Create(num_points, 2, budget, "").value();
  Matrix<float> buffer;
  const MatrixView<float> rows = points.Prepare(0, num_points, buffer);
  for (int64_t t = 0; t < num_points; ++t) {
    rows.RowData(t)[0] = t % 3 == 0 ? 1.0f : 0.0f;
    rows.RowData(t)[1] = t % 3 == 0 ? 0.0f : 1.0f;
  }
  return points;
}

TEST(RoutedCountsTest, CountsEveryToken) {
  ThreadPool pool(2);
  MemoryBudget budget;
  HiddenStates points = Points(3000, budget);
  const std::vector<float> router = {2.0f, -1.0f, 0.0f, 1.0f, 0.0f, 1.0f};
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<int64_t> counts,
      RoutedCounts(points, MatrixView<const float>(router.data(), 3, 2), pool));
  // 3000 / 3; the rest goes to the first of two equal experts.
  EXPECT_THAT(counts, ElementsAre(1000, 2000, 0));
}

TEST(RoutedCountsTest, NamesTheBlockOfAProductThatOverflows) {
  ThreadPool pool(2);
  MemoryBudget budget;
  HiddenStates points = Points(2000, budget);
  Matrix<float> buffer;
  const MatrixView<float> rows = points.Load(0, 2000, buffer).value();
  rows.RowData(1025)[0] = std::numeric_limits<float>::max();
  const std::vector<float> router = {2.0f, 0.0f};
  EXPECT_THAT(
      RoutedCounts(points, MatrixView<const float>(router.data(), 1, 2), pool)
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("token 1025: its product")));
}

}  // namespace
}  // namespace moe
