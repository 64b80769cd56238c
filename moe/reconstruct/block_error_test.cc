#include "moe/reconstruct/block_error.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/thread_pool.h"

namespace moe::reconstruct {
namespace {

base::Matrix<float> Floats(int64_t rows, std::vector<float> values) {
  return base::Matrix<float>(rows, 2, values);
}

TEST(BlockErrorTest, IsRelativeToWhatIsWanted) {
  base::ThreadPool pool(2);
  BlockError error;
  EXPECT_EQ(error.relative(), 0.0);
  const std::vector<float> weights = {0.5f, 2.0f};
  // 0.5 (1 + 1) + 2 (4 + 0) = 9 over 0.5 (4 + 16) + 2 (9 + 4) = 36
  error.Add(Floats(2, {1, -1, 2, 0}).view(), Floats(2, {2, 4, -3, 2}).view(),
            weights, pool);
  EXPECT_EQ(error.relative(), 0.5);
  // 9 + 4 (0 + 4) = 25 over 36 + 4 (16 + 0) = 100
  error.Add(Floats(1, {0, 2}).view(), Floats(1, {4, 0}).view(), {4.0f}, pool);
  EXPECT_EQ(error.relative(), 0.5);
}

TEST(BlockErrorTest, CallsContinueTheSums) {
  base::ThreadPool pool(2);
  const base::Matrix<float> error =
      Floats(3, {0.1f, 0.7f, 1.3f, 1e-9f, 3.1f, 0.2f});
  const base::Matrix<float> wanted =
      Floats(3, {2.3f, 0.4f, 1e6f, 0.9f, 7.7f, 1.1f});
  const std::vector<float> weights = {0.3f, 1.7f, 0.9f};
  BlockError at_once, one_by_one;
  at_once.Add(error.view(), wanted.view(), weights, pool);
  for (int64_t t = 0; t < 3; ++t) {
    one_by_one.Add(error.view().Rows(t, t + 1), wanted.view().Rows(t, t + 1),
                   {weights[static_cast<size_t>(t)]}, pool);
  }
  EXPECT_EQ(one_by_one.relative(), at_once.relative());
}

}  // namespace
}  // namespace moe::reconstruct
