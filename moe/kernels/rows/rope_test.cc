#include "moe/kernels/rows/rope.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::OnScalar;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using RopeTest = ::moe::kernels::testing::KernelTest;

constexpr int64_t kNumPositions = 40;

std::vector<int32_t> Positions(int64_t num_tokens) {
  std::vector<int32_t> positions;
  for (int64_t t = 0; t < num_tokens; ++t) {
    positions.push_back(static_cast<int32_t>(t * 7 % kNumPositions));
  }
  return positions;
}

TEST_P(RopeTest, HasTheScalarBits) {
  for (const int64_t head_dim : {2, 6, 16, 30, 34, 64}) {
    const RopeTable table(RopeFrequencies(10000.0f, head_dim), kNumPositions,
                          1.0f, pool());
    for (const int64_t tokens : {0, 1, 300}) {
      for (const RopeDirection direction :
           {RopeDirection::kForward, RopeDirection::kInverse}) {
        TestMatrix x(tokens, 3 * head_dim, 1, 1);
        x.Fill("x");
        TestMatrix want = x;
        const std::vector<int32_t> positions = Positions(tokens);
        ApplyRope(table, positions, direction, x.view(), pool());
        OnScalar([&](base::ThreadPool& one) {
          ApplyRope(table, positions, direction, want.view(), one);
        });
        EXPECT_TRUE(BitsEqual(x, want)) << head_dim;
        EXPECT_TRUE(x.PaddingIsUntouched());
      }
    }
  }
}

TEST_P(RopeTest, TheInverseUndoes) {
  const RopeTable table(RopeFrequencies(10000.0f, 64), kNumPositions, 1.0f,
                        pool());
  TestMatrix x(50, 128);
  x.Fill("x");
  const TestMatrix before = x;
  ApplyRope(table, Positions(50), RopeDirection::kForward, x.view(), pool());
  ApplyRope(table, Positions(50), RopeDirection::kInverse, x.view(), pool());
  const std::vector<float> got = x.Values(), want = before.Values();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 3e-7);
}

TEST_P(RopeTest, Golden) {
  const RopeTable table(RopeFrequencies(500000.0f, 20), kNumPositions, 1.25f,
                        pool());
  TestMatrix x(31, 60);
  x.Fill("x");
  ApplyRope(table, Positions(31), RopeDirection::kForward, x.view(), pool());
  EXPECT_EQ(Digest<float>(x.Values()), "e93cc1e9e8cfe729");
}

INSTANTIATE_TEST_SUITE_P(All, RopeTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(RopeTableTest, IsTheFormula) {
  const std::vector<float> frequencies = RopeFrequencies(10000.0f, 64);
  ASSERT_EQ(frequencies.size(), 32);
  base::ThreadPool pool(2);
  const RopeTable table(frequencies, 4096, 1.0f, pool);
  for (size_t i = 0; i < 32; ++i) {
    const double exact = std::pow(10000.0, -2.0 * static_cast<double>(i) / 64);
    // The power and the quotient are rounded, half a unit each.
    EXPECT_NEAR(frequencies[i], exact, 1.3e-7 * exact);
    for (const int64_t position : {0, 1, 17, 4095}) {
      const float angle = static_cast<float>(position) * frequencies[i];
      EXPECT_EQ(table.Cos(position)[i],
                static_cast<float>(std::cos(static_cast<double>(angle))));
      EXPECT_EQ(table.Sin(position)[i],
                static_cast<float>(std::sin(static_cast<double>(angle))));
    }
  }
}

// A quarter turn: (x, y) becomes (-y, x).
TEST(RopeTableTest, QuarterTurnByHand) {
  base::ThreadPool pool(1);
  const std::vector<float> frequency = {
      1.57079637f};  // The float next to pi/2.
  const RopeTable table(frequency, 2, 1.0f, pool);
  TestMatrix x(2, 2);
  for (int64_t t = 0; t < 2; ++t) {
    x.view().Row(t)[0] = 3.0f;
    x.view().Row(t)[1] = 5.0f;
  }
  ApplyRope(table, {0, 1}, RopeDirection::kForward, x.view(), pool);
  EXPECT_EQ(x.view().Row(0)[0], 3.0f);
  EXPECT_EQ(x.view().Row(0)[1], 5.0f);
  EXPECT_NEAR(x.view().Row(1)[0], -5.0f, 1e-6);
  EXPECT_NEAR(x.view().Row(1)[1], 3.0f, 1e-6);
}

}  // namespace
}  // namespace moe::kernels
