#include "moe/kernels/math/exp.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/kernels/testing/correct_rounding.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::CheckRounding;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::ExpOracle;
using ::moe::kernels::testing::KernelMachine;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::TestMatrix;
using ::moe::kernels::testing::Verdict;
using ::testing::ValuesIn;

using ExpTest = ::moe::kernels::testing::KernelTest;

// The array function has no threads.
std::vector<KernelMachine> Targets() {
  std::vector<KernelMachine> machines;
  for (const SimdTarget target : SupportedSimdTargets()) {
    machines.push_back({target, 1});
  }
  return machines;
}

std::vector<float> EveryNthFloat(uint32_t step) {
  std::vector<float> values;
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += step) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  return values;
}

TEST_P(ExpTest, IsCorrectlyRounded) {
  const std::vector<float> x = EveryNthFloat(40009);
  std::vector<float> y(x.size());
  Exp(x, absl::MakeSpan(y));
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(CheckRounding(x[i], y[i], ExpOracle()), Verdict::kRight)
        << x[i] << " gave " << y[i];
  }
}

TEST_P(ExpTest, AnySizeAndInPlace) {
  for (int64_t size = 0; size <= 40; ++size) {
    for (const int64_t misalignment : {0, 1}) {
      TestMatrix x(1, size, misalignment), y(1, size), want(1, size);
      x.Fill("x", 100.0f);
      for (int64_t i = 0; i < size; ++i) {
        Exp(x.view().Row(0).subspan(static_cast<size_t>(i), 1),
            want.view().Row(0).subspan(static_cast<size_t>(i), 1));
      }
      Exp(x.view().Row(0), y.view().Row(0));
      EXPECT_TRUE(BitsEqual(y, want)) << size;
      EXPECT_TRUE(y.PaddingIsUntouched());
      Exp(x.view().Row(0), x.view().Row(0));
      EXPECT_TRUE(BitsEqual(x, want)) << size;
    }
  }
}

TEST_P(ExpTest, Golden) {
  TestMatrix x(1, 4099), y(1, 4099);
  x.Fill("x", 110.0f);
  Exp(x.view().Row(0), y.view().Row(0));
  EXPECT_EQ(Digest<float>(y.Values()), "e5edfae34e94b844");
}

INSTANTIATE_TEST_SUITE_P(All, ExpTest, ValuesIn(Targets()), KernelMachineName);

}  // namespace
}  // namespace moe::kernels
