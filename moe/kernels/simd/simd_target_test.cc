#include "moe/kernels/simd/simd_target.h"

#include <cstdlib>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class SimdTargetTest : public ::testing::Test {
 protected:
  ~SimdTargetTest() override { ::unsetenv("MOE_SIMD_TARGET"); }
};

TEST_F(SimdTargetTest, ListsTheWidestFirstAndScalarLast) {
  const std::vector<SimdTarget> supported = SupportedSimdTargets();
  ASSERT_GE(supported.size(), 2);
  EXPECT_EQ(supported.back(), SimdTarget::kScalar);
  for (size_t i = 1; i < supported.size(); ++i) {
    EXPECT_GT(supported[i - 1], supported[i]);
  }
}

TEST_F(SimdTargetTest, TheEnvironmentLimits) {
  const std::vector<SimdTarget> supported = SupportedSimdTargets();
  ::unsetenv("MOE_SIMD_TARGET");
  EXPECT_THAT(SimdTargetFromEnvironment(), IsOkAndHolds(supported.front()));
  for (const SimdTarget target : supported) {
    ::setenv("MOE_SIMD_TARGET", SimdTargetName(target).data(), 1);
    EXPECT_THAT(SimdTargetFromEnvironment(), IsOkAndHolds(target));
  }
  ::setenv("MOE_SIMD_TARGET", "avx512", 1);
  EXPECT_THAT(SimdTargetFromEnvironment(), IsOkAndHolds(supported.front()));
}

TEST_F(SimdTargetTest, RefusesOtherNames) {
  ::setenv("MOE_SIMD_TARGET", "avx1024", 1);
  EXPECT_THAT(SimdTargetFromEnvironment(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("MOE_SIMD_TARGET=avx1024"),
                             HasSubstr("avx512, avx2, sse4, neon, scalar"))));
}

TEST_F(SimdTargetTest, IsSetAndStays) {
  for (const SimdTarget target : SupportedSimdTargets()) {
    MOE_ASSERT_OK(SetSimdTarget(target));
    EXPECT_EQ(ActiveSimdTarget(), target);
    // What is supported does not shrink to what is active.
    EXPECT_EQ(SupportedSimdTargets().back(), SimdTarget::kScalar);
  }
#if defined(__x86_64__)
  constexpr SimdTarget kForeign = SimdTarget::kNeon;
#else
  constexpr SimdTarget kForeign = SimdTarget::kAvx2;
#endif
  EXPECT_THAT(SetSimdTarget(kForeign),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(SimdTargetName(kForeign).data())));
}

}  // namespace
}  // namespace moe::kernels
