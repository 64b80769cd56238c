#include "moe/reconstruct/reconstruct_options.h"

#include <limits>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/reconstruct/reconstruct_options.pb.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

ReconstructOptions WithParts(const std::string& parts) {
  ReconstructOptions options;
  options.set_parts(parts);
  return options;
}

TEST(ParseRefittedPartsTest, KnowsBothInAnyOrder) {
  MOE_ASSERT_OK_AND_ASSIGN(RefittedParts parts, ParseRefittedParts({}));
  EXPECT_TRUE(parts.mlp);
  EXPECT_TRUE(parts.attention);
  MOE_ASSERT_OK_AND_ASSIGN(parts,
                           ParseRefittedParts(WithParts("attention,mlp")));
  EXPECT_TRUE(parts.mlp);
  EXPECT_TRUE(parts.attention);
  MOE_ASSERT_OK_AND_ASSIGN(parts, ParseRefittedParts(WithParts("mlp")));
  EXPECT_TRUE(parts.mlp);
  EXPECT_FALSE(parts.attention);
  MOE_ASSERT_OK_AND_ASSIGN(parts, ParseRefittedParts(WithParts("attention")));
  EXPECT_FALSE(parts.mlp);
  EXPECT_TRUE(parts.attention);
}

TEST(ParseRefittedPartsTest, NamesWhatItDoesNotKnow) {
  for (const std::string parts :
       {"", "router", "mlp,", ",mlp", "mlp,mlp", "mlp, attention", "MLP",
        "mlp,attention,mlp"}) {
    const auto expected = StatusIs(
        absl::StatusCode::kInvalidArgument,
        AllOf(HasSubstr("parts: expected mlp, attention, or mlp,attention"),
              HasSubstr("found \"" + parts + "\"")));
    EXPECT_THAT(ParseRefittedParts(WithParts(parts)).status(), expected);
    EXPECT_THAT(ValidateReconstructOptions(WithParts(parts)), expected);
  }
}

TEST(ValidateReconstructOptionsTest, RidgesAreFiniteAndNotBelowZero) {
  ReconstructOptions options;
  options.set_ridge(0.0);
  options.set_ridge_attention(0.0);
  MOE_EXPECT_OK(ValidateReconstructOptions(options));
  for (const double bad : {-1e-9, std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()}) {
    ReconstructOptions mlp, attention;
    mlp.set_ridge(bad);
    attention.set_ridge_attention(bad);
    EXPECT_THAT(
        ValidateReconstructOptions(mlp),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ridge: ")));
    EXPECT_THAT(ValidateReconstructOptions(attention),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("ridge_attention: ")));
  }
}

}  // namespace
}  // namespace moe::reconstruct
