#include "moe/kernels/rows/softmax.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/kernels/testing/row_shapes.h"

namespace moe {
namespace {

using ::moe::testing::BitsEqual;
using ::moe::testing::Digest;
using ::moe::testing::KernelMachineName;
using ::moe::testing::KernelMachines;
using ::moe::testing::OnScalar;
using ::moe::testing::RowShape;
using ::moe::testing::RowShapes;
using ::moe::testing::TestMatrix;
using ::testing::ValuesIn;

using SoftmaxTest = ::moe::testing::KernelTest;

constexpr float kScale = 0.125f;

std::vector<CausalMask> Masks() {
  return {CausalMask(), CausalMask{1, 3}, CausalMask{0, 2}, CausalMask{14, 5}};
}

TEST_P(SoftmaxTest, HasTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    TestMatrix x(s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix dy(s.rows, s.cols, 0, s.padding);
    x.Fill("x", 200.0f);
    dy.Fill("dy");
    for (const CausalMask& mask : Masks()) {
      TestMatrix y(s.rows, s.cols, s.misalignment, s.padding);
      TestMatrix dx = y, want_y = y, want_dx = y;
      Softmax(x.view(), kScale, mask, y.view(), pool());
      SoftmaxBackward(y.view(), dy.view(), kScale, mask, dx.view(), pool());
      OnScalar([&](ThreadPool& one) {
        Softmax(x.view(), kScale, mask, want_y.view(), one);
        SoftmaxBackward(want_y.view(), dy.view(), kScale, mask, want_dx.view(),
                        one);
      });
      EXPECT_TRUE(BitsEqual(y, want_y));
      EXPECT_TRUE(BitsEqual(dx, want_dx));
      EXPECT_TRUE(y.PaddingIsUntouched());
      TestMatrix in_place = x;
      Softmax(in_place.view(), kScale, mask, in_place.view(), pool());
      EXPECT_TRUE(BitsEqual(in_place, want_y));
      in_place = dy;
      SoftmaxBackward(y.view(), in_place.view(), kScale, mask, in_place.view(),
                      pool());
      EXPECT_TRUE(BitsEqual(in_place, want_dx));
    }
  }
}

TEST_P(SoftmaxTest, LogSoftmaxHasTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    TestMatrix x(s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix dy(s.rows, s.cols, 0, s.padding);
    x.Fill("x", 50.0f);
    dy.Fill("dy");
    TestMatrix y(s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix dx = y, want_y = y, want_dx = y;
    LogSoftmax(x.view(), y.view(), pool());
    LogSoftmaxBackward(y.view(), dy.view(), dx.view(), pool());
    OnScalar([&](ThreadPool& one) {
      LogSoftmax(x.view(), want_y.view(), one);
      LogSoftmaxBackward(want_y.view(), dy.view(), want_dx.view(), one);
    });
    EXPECT_TRUE(BitsEqual(y, want_y));
    EXPECT_TRUE(BitsEqual(dx, want_dx));
    LogSoftmax(x.view(), x.view(), pool());
    EXPECT_TRUE(BitsEqual(x, want_y));
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
  TestMatrix x(9, 131), dy(9, 131), y(9, 131), dx(9, 131);
  x.Fill("x", 100.0f);
  dy.Fill("dy");
  const CausalMask mask{120, 9};
  Softmax(x.view(), kScale, mask, y.view(), pool());
  EXPECT_EQ(Digest<float>(y.Values()), "e8afe788b5146309");
  SoftmaxBackward(y.view(), dy.view(), kScale, mask, dx.view(), pool());
  EXPECT_EQ(Digest<float>(dx.Values()), "66d15aa0b7d118b9");
  LogSoftmax(x.view(), y.view(), pool());
  EXPECT_EQ(Digest<float>(y.Values()), "55386358ec999c16");
  LogSoftmaxBackward(y.view(), dy.view(), dx.view(), pool());
  EXPECT_EQ(Digest<float>(dx.Values()), "c1f42590f1b9dd90");
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

// softmax(scale (x + move))_i and its logarithm, in double.
double SoftmaxOf(absl::Span<const float> x, double scale, size_t i,
                 size_t moved = 0, double by = 0.0) {
  double sum = 0.0, own = 0.0;
  for (size_t j = 0; j < x.size(); ++j) {
    const double e = std::exp(scale * (x[j] + (j == moved ? by : 0.0)));
    sum += e;
    if (j == i) own = e;
  }
  return own / sum;
}

TEST(SoftmaxMathTest, IsTheFormulaAndItsDerivative) {
  constexpr int64_t kSize = 37;
  TestMatrix x(1, kSize), dy(1, kSize), y(1, kSize), dx(1, kSize);
  TestMatrix log_y(1, kSize), log_dx(1, kSize);
  x.Fill("x", 4.0f);
  dy.Fill("dy");
  ThreadPool pool(1);
  Softmax(x.view(), 0.5f, CausalMask(), y.view(), pool);
  SoftmaxBackward(y.view(), dy.view(), 0.5f, CausalMask(), dx.view(), pool);
  LogSoftmax(x.view(), log_y.view(), pool);
  LogSoftmaxBackward(log_y.view(), dy.view(), log_dx.view(), pool);
  const absl::Span<const float> row = x.view().Row(0);
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < kSize; ++i) {
    const double want = SoftmaxOf(row, 0.5, i);
    EXPECT_NEAR(y.view().Row(0)[i], want, 2e-7 * want);
    EXPECT_NEAR(log_y.view().Row(0)[i], std::log(SoftmaxOf(row, 1.0, i)), 2e-6);
    double slope = 0.0, log_slope = 0.0;
    for (size_t j = 0; j < kSize; ++j) {
      const double weight = dy.view().Row(0)[j] / (2 * kStep);
      slope += weight * (SoftmaxOf(row, 0.5, j, i, kStep) -
                         SoftmaxOf(row, 0.5, j, i, -kStep));
      log_slope += weight * (std::log(SoftmaxOf(row, 1.0, j, i, kStep)) -
                             std::log(SoftmaxOf(row, 1.0, j, i, -kStep)));
    }
    EXPECT_NEAR(dx.view().Row(0)[i], slope, 1e-7);
    EXPECT_NEAR(log_dx.view().Row(0)[i], log_slope, 2e-6);
  }
}

}  // namespace
}  // namespace moe
