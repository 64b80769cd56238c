#include "moe/base/check_field.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;

TEST(CheckFieldTest, NamesTheFieldItsValueAndWhatIsAllowed) {
  MOE_EXPECT_OK(CheckField(true, "share", 0.5, "0 to 1"));
  EXPECT_THAT(CheckField(false, "share", 1.5, "0 to 1"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "share is 1.5; allowed: 0 to 1"));
}

TEST(CheckFieldTest, SeedsAreNotNegative) {
  MOE_EXPECT_OK(CheckSeed(0));
  EXPECT_THAT(CheckSeed(-1), StatusIs(absl::StatusCode::kInvalidArgument,
                                      "seed is -1; allowed: 0 or more"));
}

}  // namespace
}  // namespace moe
