#include "moe/base/float_environment.h"

#include <cfenv>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace moe::base {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class FloatEnvironmentTest : public ::testing::Test {
 protected:
  void SetUp() override { SetFloatEnvironment(); }
  void TearDown() override { SetFloatEnvironment(); }
};

TEST_F(FloatEnvironmentTest, IsRightOnceSet) {
  EXPECT_THAT(CheckFloatEnvironment("test"), IsOk());
}

TEST_F(FloatEnvironmentTest, FindsEveryOtherRoundingMode) {
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    const absl::Status status = CheckFloatEnvironment("clustering");
    SetFloatEnvironment();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("clustering"),
                                       HasSubstr("rounding"))));
    EXPECT_THAT(CheckFloatEnvironment("test"), IsOk());
  }
}

#if defined(__x86_64__)
TEST_F(FloatEnvironmentTest, FindsFlushToZeroAndDenormalsAreZero) {
  for (const unsigned int bit : {1u << 15, 1u << 6}) {
    _mm_setcsr(_mm_getcsr() | bit);
    const absl::Status status = CheckFloatEnvironment("align");
    SetFloatEnvironment();
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr("align"), HasSubstr("denormal"))));
    EXPECT_THAT(CheckFloatEnvironment("test"), IsOk());
  }
}
#endif

}  // namespace
}  // namespace moe::base
