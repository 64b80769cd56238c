#include "moe/kernels/rows/swiglu.h"

#include <cmath>
#include <cstdint>

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

using SwiGluTest = ::moe::kernels::testing::KernelTest;

// Everything that both functions give for one set of inputs.
struct Outputs {
  explicit Outputs(const RowShape& s)
      : y(s.rows, s.cols, s.misalignment, s.padding), d_gate(y), d_up(y) {}

  void Compute(const TestMatrix& gate, const TestMatrix& up,
               const TestMatrix& dy, base::ThreadPool& pool) {
    SwiGlu(gate.view(), up.view(), y.view(), pool);
    SwiGluBackward(gate.view(), up.view(), dy.view(), d_gate.view(),
                   d_up.view(), pool);
  }

  TestMatrix y, d_gate, d_up;
};

TEST_P(SwiGluTest, HasTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    TestMatrix gate(s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix up(s.rows, s.cols, 0, s.padding), dy(s.rows, s.cols);
    gate.Fill("gate", 120.0f);
    up.Fill("up");
    dy.Fill("dy");
    Outputs got(s), want(s);
    got.Compute(gate, up, dy, pool());
    OnScalar([&](base::ThreadPool& one) { want.Compute(gate, up, dy, one); });
    EXPECT_TRUE(BitsEqual(got.y, want.y));
    EXPECT_TRUE(BitsEqual(got.d_gate, want.d_gate));
    EXPECT_TRUE(BitsEqual(got.d_up, want.d_up));
    EXPECT_TRUE(got.d_up.PaddingIsUntouched());
    TestMatrix y = up;
    SwiGlu(gate.view(), y.view(), y.view(), pool());
    EXPECT_TRUE(BitsEqual(y, want.y));
    // Both outputs over inputs.
    SwiGluBackward(gate.view(), up.view(), dy.view(), up.view(), gate.view(),
                   pool());
    EXPECT_TRUE(BitsEqual(up, want.d_gate));
    EXPECT_TRUE(BitsEqual(gate, want.d_up));
  }
}

TEST_P(SwiGluTest, Golden) {
  TestMatrix gate(9, 131), up(9, 131), dy(9, 131);
  gate.Fill("gate", 20.0f);
  up.Fill("up");
  dy.Fill("dy");
  Outputs out(RowShape{9, 131, 0, 0});
  out.Compute(gate, up, dy, pool());
  EXPECT_EQ(Digest<float>(out.y.Values()), "a51253ee80c39a99");
  EXPECT_EQ(Digest<float>(out.d_gate.Values()), "99680745c520a2bd");
  EXPECT_EQ(Digest<float>(out.d_up.Values()), "1f223e4ee32cc95f");
}

INSTANTIATE_TEST_SUITE_P(All, SwiGluTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

double SiluOf(double x) { return x / (1.0 + std::exp(-x)); }

TEST(SwiGluMathTest, IsTheFormulaAndItsDerivative) {
  TestMatrix gate(1, 101), up(1, 101), dy(1, 101);
  for (size_t i = 0; i < 101; ++i) {
    gate.view().Row(0)[i] = (static_cast<float>(i) - 50.0f) / 5.0f;
  }
  up.Fill("up");
  dy.Fill("dy");
  Outputs out(RowShape{1, 101, 0, 0});
  base::ThreadPool pool(1);
  out.Compute(gate, up, dy, pool);
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < 101; ++i) {
    const double g = gate.view().Row(0)[i];
    const double u = up.view().Row(0)[i];
    const double d = dy.view().Row(0)[i];
    const double slope = (SiluOf(g + kStep) - SiluOf(g - kStep)) / (2 * kStep);
    EXPECT_NEAR(out.y.view().Row(0)[i], SiluOf(g) * u, 1e-6);
    EXPECT_NEAR(out.d_gate.view().Row(0)[i], d * u * slope, 1e-6);
    EXPECT_NEAR(out.d_up.view().Row(0)[i], d * SiluOf(g), 2e-6);
  }
}

TEST(SwiGluMathTest, FarOutIsZeroOrTheIdentity) {
  TestMatrix gate(1, 3), up(1, 3), y(1, 3);
  gate.view().Row(0)[0] = -90.0f;
  gate.view().Row(0)[1] = 90.0f;
  gate.view().Row(0)[2] = 0.0f;
  for (float& value : up.view().Row(0)) value = 1.0f;
  base::ThreadPool pool(1);
  SwiGlu(gate.view(), up.view(), y.view(), pool);
  EXPECT_EQ(y.view().Row(0)[0], 0.0f);
  EXPECT_TRUE(std::signbit(y.view().Row(0)[0]));
  EXPECT_EQ(y.view().Row(0)[1], 90.0f);
  EXPECT_EQ(y.view().Row(0)[2], 0.0f);
}

}  // namespace
}  // namespace moe::kernels
