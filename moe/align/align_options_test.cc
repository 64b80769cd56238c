
#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/options/options.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::align {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(AlignOptionsTest, NamesTheField) {
  AlignOptions options;
  MOE_EXPECT_OK(base::CheckOptions(options));
  options.set_alignment_mode(static_cast<AlignOptions::Mode>(7));
  EXPECT_THAT(
      base::CheckOptions(options),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("alignment_mode: expected exact, published, found 7")));
  options = AlignOptions();
  options.set_alignment_parts(static_cast<AlignOptions::Parts>(2));
  EXPECT_THAT(
      base::CheckOptions(options),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("alignment_parts: expected full, magnitude, found 2")));
}

}  // namespace
}  // namespace moe::align
