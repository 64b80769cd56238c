#include "moe/kernels/rows/top_k.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::TestMatrix;
using ::testing::ElementsAre;

// All indices by (value descending, index ascending), the first k.
std::vector<int32_t> Sorted(absl::Span<const float> x, int64_t k) {
  std::vector<int32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return x[static_cast<size_t>(a)] > x[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(k));
  return order;
}

TEST(TopKTest, IsTheSortedOrder) {
  base::ThreadPool pool(3);
  for (const int64_t cols : {1, 2, 8, 50}) {
    TestMatrix x(200, cols);
    x.Fill("x");
    // Coarse, so that many are equal.
    for (int64_t t = 0; t < 200; ++t) {
      for (float& value : x.view().Row(t)) {
        value = static_cast<float>(static_cast<int>(value * 4.0f));
      }
    }
    for (const int64_t k : {int64_t{1}, std::min<int64_t>(2, cols), cols}) {
      std::vector<int32_t> indices(static_cast<size_t>(200 * k));
      const base::MatrixView<int32_t> view(indices.data(), 200, k);
      TopK(x.view(), view, pool);
      for (int64_t t = 0; t < 200; ++t) {
        EXPECT_THAT(view.Row(t),
                    ::testing::ElementsAreArray(Sorted(x.view().Row(t), k)));
      }
    }
  }
}

TEST(TopKTest, TiesGoToTheLowestIndex) {
  std::vector<float> x = {1.0f, -0.0f, 3.0f, 3.0f, 0.0f, 3.0f};
  const base::MatrixView<const float> view(x.data(), 1, 6);
  base::ThreadPool pool(1);
  std::vector<int32_t> best(6);
  TopK(view, base::MatrixView<int32_t>(best.data(), 1, 6), pool);
  EXPECT_THAT(best, ElementsAre(2, 3, 5, 0, 1, 4));
}

TEST(TopKTest, NoneOfNothing) {
  base::ThreadPool pool(1);
  TopK(base::MatrixView<const float>(nullptr, 0, 4),
       base::MatrixView<int32_t>(nullptr, 0, 2), pool);
  TopK(base::MatrixView<const float>(nullptr, 3, 0),
       base::MatrixView<int32_t>(nullptr, 3, 0), pool);
}

}  // namespace
}  // namespace moe::kernels
