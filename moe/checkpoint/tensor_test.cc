#include "moe/checkpoint/tensor.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

TEST(NumElementsTest, IsTheProduct) {
  EXPECT_THAT(NumElements({}), IsOkAndHolds(1));
  EXPECT_THAT(NumElements({3, 5}), IsOkAndHolds(15));
  EXPECT_THAT(NumElements({kMax}), IsOkAndHolds(kMax));
  EXPECT_THAT(NumElements({0, kMax}), IsOkAndHolds(0));
}

TEST(NumElementsTest, RefusesOverflowAndNegatives) {
  EXPECT_THAT(NumElements({int64_t{1} << 32, int64_t{1} << 31}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("[4294967296, 2147483648] overflows")));
  EXPECT_THAT(NumElements({kMax, kMax, 0}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(NumElements({2, -1}), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr("negative")));
}

TEST(ValidateTensorSpecTest, NamesTheTensor) {
  EXPECT_THAT(ValidateTensorSpec({"w", Dtype::kF32, {kMax / 4}}), IsOk());
  EXPECT_THAT(ValidateTensorSpec({"w", Dtype::kF32, {kMax / 4 + 1}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("tensor \"w\": the size in bytes")));
  EXPECT_THAT(ValidateTensorSpec({"w", Dtype::kF32, {-1}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"w\"")));
}

TEST(TensorTest, BytesAndText) {
  EXPECT_EQ(NumBytes({"w", Dtype::kBF16, {3, 5}}), 30);
  EXPECT_EQ(NumBytes({"s", Dtype::kI64, {}}), 8);
  EXPECT_EQ(FormatShape({8, 576}), "[8, 576]");
  EXPECT_EQ(FormatShape({}), "[]");
  EXPECT_EQ(FormatSpec({"w", Dtype::kBF16, {8, 576}}), "BF16 [8, 576]");
}

}  // namespace
}  // namespace moe::checkpoint
