#include "moe/kernels/rows/softmax.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/kernels/testing/row_shapes.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::OnScalar;
using ::moe::kernels::testing::RowShape;
using ::moe::kernels::testing::RowShapes;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using SoftmaxTest = ::moe::kernels::testing::KernelTest;

constexpr float kScale = 0.125f;

std::vector<CausalMask> Masks() {
  return {CausalMask(), CausalMask{1, 3}, CausalMask{0, 2}, CausalMask{14, 5}};
}

TEST_P(SoftmaxTest, HasTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    TestMatrix x(s.rows, s.cols, s.misalignment, s.padding);
    x.Fill("x", 200.0f);
    for (const CausalMask& mask : Masks()) {
      TestMatrix y(s.rows, s.cols, s.misalignment, s.padding);
      TestMatrix want_y = y;
      Softmax(x.view(), kScale, mask, y.view(), pool());
      OnScalar([&](base::ThreadPool& one) {
        Softmax(x.view(), kScale, mask, want_y.view(), one);
      });
      EXPECT_TRUE(BitsEqual(y, want_y));
      EXPECT_TRUE(y.PaddingIsUntouched());
      TestMatrix in_place = x;
      Softmax(in_place.view(), kScale, mask, in_place.view(), pool());
      EXPECT_TRUE(BitsEqual(in_place, want_y));
    }
  }
}

// What is masked is not looked at: NaN there does not come out.
TEST_P(SoftmaxTest, MaskedElementsAreNotRead) {
  TestMatrix x(4, 20), y(4, 20);
  x.Fill("x");
  TestMatrix spoilt = x, want(4, 20);
  const CausalMask mask{16, 2};
  for (int64_t t = 0; t < 4; ++t) {
    for (int64_t i = mask.Length(t, 20); i < 20; ++i) {
      spoilt.view().Row(t)[static_cast<size_t>(i)] = NAN;
    }
  }
  Softmax(spoilt.view(), 1.0f, mask, y.view(), pool());
  Softmax(x.view(), 1.0f, mask, want.view(), pool());
  EXPECT_TRUE(BitsEqual(y, want));
  EXPECT_EQ(y.view().Row(0)[16], 0.0f);
  EXPECT_NE(y.view().Row(1)[16], 0.0f);
  EXPECT_EQ(y.view().Row(2)[16], 0.0f);
}

TEST_P(SoftmaxTest, Golden) {
  TestMatrix x(9, 131), y(9, 131);
  x.Fill("x", 100.0f);
  const CausalMask mask{120, 9};
  Softmax(x.view(), kScale, mask, y.view(), pool());
  EXPECT_EQ(Digest<float>(y.Values()), "e8afe788b5146309");
}

INSTANTIATE_TEST_SUITE_P(All, SoftmaxTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(CausalMaskTest, Lengths) {
  // Three queries at the end of five keys, for each of several heads.
  const CausalMask mask{3, 3};
  EXPECT_EQ(mask.Length(0, 5), 3);
  EXPECT_EQ(mask.Length(1, 5), 4);
  EXPECT_EQ(mask.Length(2, 5), 5);
  EXPECT_EQ(mask.Length(3, 5), 3);
  EXPECT_EQ(CausalMask().Length(7, 5), 5);
  EXPECT_EQ((CausalMask{4, 9}.Length(8, 5)), 5);
}

// softmax(scale x)_i, in double.
double SoftmaxOf(absl::Span<const float> x, double scale, size_t i) {
  double sum = 0.0;
  for (const float value : x) sum += std::exp(scale * value);
  return std::exp(scale * x[i]) / sum;
}

TEST(SoftmaxMathTest, IsTheFormula) {
  constexpr int64_t kSize = 37;
  TestMatrix x(1, kSize), y(1, kSize);
  x.Fill("x", 4.0f);
  base::ThreadPool pool(1);
  Softmax(x.view(), 0.5f, CausalMask(), y.view(), pool);
  for (size_t i = 0; i < kSize; ++i) {
    const double want = SoftmaxOf(x.view().Row(0), 0.5, i);
    EXPECT_NEAR(y.view().Row(0)[i], want, 2e-7 * want);
  }
}

}  // namespace
}  // namespace moe::kernels
