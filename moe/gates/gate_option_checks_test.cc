#include "moe/gates/gate_option_checks.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

TEST(GateOptionChecksTest, AsManyTokensAsExpertsAreEnough) {
  MOE_EXPECT_OK(CheckEnoughTokens(8, 8));
  EXPECT_THAT(CheckEnoughTokens(7, 8),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("7 tokens, and num_experts is 8")));
}

}  // namespace
}  // namespace moe
