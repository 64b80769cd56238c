#include "moe/align/stored_bias.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/dtype.h"

namespace moe {
namespace {

using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

TEST(StoredBiasTest, IsASharePerUnitOfTheScaleFactor) {
  EXPECT_EQ(ExpertBias(6.0f, 4.0, AlignOptions::EXACT), 1.5);
  EXPECT_EQ(ExpertBias(6.0f, 4.0, AlignOptions::PUBLISHED), 6.0);
}

// BF16 has 8 bits, F16 11.
TEST(StoredBiasTest, IsRoundedToTheType) {
  EXPECT_THAT(RoundToWeight(Dtype::kBF16, 1.0 + 0x1p-8 + 0x1p-20),
              IsOkAndHolds(1.0f + 0x1p-7f));
  EXPECT_THAT(RoundToWeight(Dtype::kF16, -1.0 - 0x1p-11), IsOkAndHolds(-1.0f));
  EXPECT_THAT(RoundToWeight(Dtype::kF32, 0.1), IsOkAndHolds(0.1f));
  EXPECT_THAT(RoundToWeight(Dtype::kF16, 70000.0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("bias 70000 is beyond the largest F16")));
  EXPECT_THAT(RoundToWeight(Dtype::kF32, -1e39),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("beyond the largest F32")));
}

}  // namespace
}  // namespace moe
