#include "moe/base/option_checks.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::base {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(OptionChecksTest, NameTheFieldAndWhatIsAllowed) {
  MOE_EXPECT_OK(CheckNumExperts(1));
  MOE_EXPECT_OK(CheckNumExperts(kMaxExperts));
  EXPECT_THAT(CheckNumExperts(0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_experts: expected 1 to 1024, found 0")));
  EXPECT_THAT(
      CheckNumExperts(kMaxExperts + 1, "num_experts_moe"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("num_experts_moe: expected 1 to 1024, found 1025")));
}

}  // namespace
}  // namespace moe::base
