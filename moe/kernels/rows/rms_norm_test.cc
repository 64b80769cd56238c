#include "moe/kernels/rows/rms_norm.h"

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

using RmsNormTest = ::moe::kernels::testing::KernelTest;

constexpr float kEpsilon = 1e-5f;

struct Inputs {
  explicit Inputs(const RowShape& s)
      : x(s.rows, s.cols, s.misalignment, s.padding),
        dy(s.rows, s.cols, 0, s.padding),
        weight(1, s.cols, s.misalignment) {
    x.Fill("x", 3.0f);
    dy.Fill("dy");
    weight.Fill("weight", 2.0f);
  }
  TestMatrix x, dy, weight;
};

TEST_P(RmsNormTest, HasTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    Inputs in(s);
    const absl::Span<const float> weight = in.weight.view().Row(0);
    TestMatrix y(s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix dx = y, want_y = y, want_dx = y;
    RmsNorm(in.x.view(), weight, kEpsilon, y.view(), pool());
    RmsNormBackward(in.x.view(), weight, kEpsilon, in.dy.view(), dx.view(),
                    pool());
    OnScalar([&](base::ThreadPool& one) {
      RmsNorm(in.x.view(), weight, kEpsilon, want_y.view(), one);
      RmsNormBackward(in.x.view(), weight, kEpsilon, in.dy.view(),
                      want_dx.view(), one);
    });
    EXPECT_TRUE(BitsEqual(y, want_y));
    EXPECT_TRUE(BitsEqual(dx, want_dx));
    EXPECT_TRUE(y.PaddingIsUntouched());
    // In place.
    RmsNormBackward(in.x.view(), weight, kEpsilon, in.dy.view(), in.dy.view(),
                    pool());
    EXPECT_TRUE(BitsEqual(in.dy, want_dx));
    RmsNorm(in.x.view(), weight, kEpsilon, in.x.view(), pool());
    EXPECT_TRUE(BitsEqual(in.x, want_y));
  }
}

TEST_P(RmsNormTest, Golden) {
  Inputs in(RowShape{9, 131, 0, 0});
  const absl::Span<const float> weight = in.weight.view().Row(0);
  TestMatrix y(9, 131);
  RmsNorm(in.x.view(), weight, kEpsilon, y.view(), pool());
  EXPECT_EQ(Digest<float>(y.Values()), "304599eb8b812bb4");
  RmsNormBackward(in.x.view(), weight, kEpsilon, in.dy.view(), y.view(),
                  pool());
  EXPECT_EQ(Digest<float>(y.Values()), "6f4d297fcd0061d4");
}

INSTANTIATE_TEST_SUITE_P(All, RmsNormTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// sum_i weight_i x_i r dy_i in double: the function whose gradient is asked
// for.
double Objective(absl::Span<const float> x, absl::Span<const float> weight,
                 absl::Span<const float> dy, size_t moved, double by) {
  double sum_of_squares = 0.0;
  double dot = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double value = x[i] + (i == moved ? by : 0.0);
    sum_of_squares += value * value;
    dot += value * weight[i] * dy[i];
  }
  return dot /
         std::sqrt(sum_of_squares / static_cast<double>(x.size()) + kEpsilon);
}

TEST(RmsNormMathTest, IsTheFormulaAndItsDerivative) {
  Inputs in(RowShape{2, 50, 0, 0});
  const absl::Span<const float> weight = in.weight.view().Row(0);
  base::ThreadPool pool(1);
  TestMatrix y(2, 50), dx(2, 50);
  RmsNorm(in.x.view(), weight, kEpsilon, y.view(), pool);
  RmsNormBackward(in.x.view(), weight, kEpsilon, in.dy.view(), dx.view(), pool);
  for (int64_t t = 0; t < 2; ++t) {
    const absl::Span<const float> x = in.x.view().Row(t);
    double mean = 0.0;
    for (const float value : x) mean += static_cast<double>(value) * value / 50;
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = x[i] * weight[i] / std::sqrt(mean + kEpsilon);
      EXPECT_NEAR(y.view().Row(t)[i], want, 2e-7 * std::fabs(want));
      constexpr double kStep = 1e-5;
      const absl::Span<const float> dy = in.dy.view().Row(t);
      const double slope = (Objective(x, weight, dy, i, kStep) -
                            Objective(x, weight, dy, i, -kStep)) /
                           (2 * kStep);
      EXPECT_NEAR(dx.view().Row(t)[i], slope, 1e-6);
    }
  }
}

// [3, 4] has the mean square 12.5.
TEST(RmsNormMathTest, ByHand) {
  TestMatrix x(1, 2), y(1, 2);
  x.view().Row(0)[0] = 3.0f;
  x.view().Row(0)[1] = 4.0f;
  const std::vector<float> weight = {1.0f, -2.0f};
  base::ThreadPool pool(1);
  RmsNorm(x.view(), weight, 0.0f, y.view(), pool);
  // 1 / sqrt(12.5) = 0.282842712: 3 * 0.28.. and 4 * 0.28.. * -2.
  EXPECT_FLOAT_EQ(y.view().Row(0)[0], 0.848528137f);
  EXPECT_FLOAT_EQ(y.view().Row(0)[1], -2.26274170f);
}

}  // namespace
}  // namespace moe::kernels
