#include "moe/model/layer/linear.h"

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/gemm/testing/gemm_reference.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::model {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ElementsAre;
using ::testing::ValuesIn;

using LinearTest = ::moe::kernels::testing::KernelTest;

TEST_P(LinearTest, IsTheProductsOfTheContractThenTheBias) {
  const int64_t num_tokens = 37, in = 300, out = 45;
  TestMatrix weight(out, in), x(num_tokens, in), dy(num_tokens, out);
  TestMatrix bias(1, out), y(num_tokens, out), want(num_tokens, out);
  weight.Fill("weight");
  x.Fill("x");
  dy.Fill("dy");
  bias.Fill("bias");
  const Linear linear =
      PackLinear(kernels::WeightView(weight.view()), bias.Values(),
                 LayerPasses::kForwardAndBackward, pool());
  ApplyLinear(linear, x.view(), y.view(), pool());
  kernels::reference::Gemm(x.view(), weight.view(), want.view());
  for (int64_t t = 0; t < num_tokens; ++t) {
    for (int64_t i = 0; i < out; ++i) {
      want.view().RowData(t)[i] += bias.view().RowData(0)[i];
    }
  }
  EXPECT_TRUE(BitsEqual(y, want));

  TestMatrix dx(num_tokens, in), want_dx(num_tokens, in);
  ApplyLinearBackward(linear, dy.view(), dx.view(), pool());
  kernels::reference::GemmTransposed(dy.view(), weight.view(), want_dx.view());
  EXPECT_TRUE(BitsEqual(dx, want_dx));
  AddLinearBackward(linear, dy.view(), dx.view(), pool());
  for (int64_t t = 0; t < num_tokens; ++t) {
    for (float& value : want_dx.view().Row(t)) value += value;
  }
  EXPECT_TRUE(BitsEqual(dx, want_dx));
}

INSTANTIATE_TEST_SUITE_P(All, LinearTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(LinearByHandTest, ForwardOnlyWithoutABias) {
  base::ThreadPool pool(1);
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};  // [3, 2]
  const std::vector<float> x = {10, 1};
  const Linear linear =
      PackLinear(base::MatrixView<const float>(weight.data(), 3, 2), {},
                 LayerPasses::kForward, pool);
  base::Matrix<float> y(1, 3);
  ApplyLinear(linear, base::MatrixView<const float>(x.data(), 1, 2), y.view(),
              pool);
  // 10 + 2, 30 + 4, 50 + 6.
  EXPECT_THAT(y.view().Row(0), ElementsAre(12, 34, 56));
  EXPECT_EQ(linear.size_bytes(), linear.forward.size_bytes());
  EXPECT_EQ(linear.backward.depth(), 0);
}

TEST(LinearByHandTest, BackwardOnly) {
  base::ThreadPool pool(1);
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};  // [3, 2]
  const std::vector<float> dy = {100, 10, 1};
  const Linear linear =
      PackLinear(base::MatrixView<const float>(weight.data(), 3, 2), {},
                 LayerPasses::kBackward, pool);
  base::Matrix<float> dx(1, 2);
  ApplyLinearBackward(linear, base::MatrixView<const float>(dy.data(), 1, 3),
                      dx.view(), pool);
  EXPECT_THAT(dx.view().Row(0), ElementsAre(135, 246));
  EXPECT_EQ(linear.size_bytes(), linear.backward.size_bytes());
  EXPECT_EQ(linear.forward.depth(), 0);
}

}  // namespace
}  // namespace moe::model
