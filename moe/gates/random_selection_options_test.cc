
#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/options/options.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/gates/random_selection_options.pb.h"

namespace moe::gates {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(ValidateRandomSelectionOptionsTest, NamesTheField) {
  RandomSelectionOptions options;
  options.set_num_experts(0);
  EXPECT_THAT(base::CheckOptions(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_experts: expected 1 to 1024, found 0")));
  options.set_num_experts(8);
  EXPECT_THAT(base::CheckOptions(options), IsOk());
  options.set_seed(-1);
  EXPECT_THAT(base::CheckOptions(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("seed: expected 0 or more, found -1")));
}

}  // namespace
}  // namespace moe::gates
