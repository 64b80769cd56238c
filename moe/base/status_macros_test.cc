#include "moe/base/status_macros.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::base {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::Not;

absl::StatusOr<std::unique_ptr<int>> MakeOdd(int value) {
  if (value % 2 == 0) return absl::InvalidArgumentError("even");
  return std::make_unique<int>(value);
}

absl::StatusOr<int> SumOfOdds(int a, int b) {
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<int> first, MakeOdd(a));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<int> second, MakeOdd(b));
  return *first + *second;
}

absl::Status CheckAll(bool first_ok) {
  MOE_RETURN_IF_ERROR(first_ok ? absl::OkStatus()
                               : absl::NotFoundError("first"));
  return absl::DataLossError("second");
}

TEST(StatusMacrosTest, AssignOrReturn) {
  EXPECT_THAT(SumOfOdds(1, 3), IsOkAndHolds(4));
  EXPECT_THAT(SumOfOdds(1, 2),
              StatusIs(absl::StatusCode::kInvalidArgument, "even"));
}

TEST(StatusMacrosTest, TheFirstErrorWins) {
  EXPECT_THAT(CheckAll(false), StatusIs(absl::StatusCode::kNotFound, "first"));
  EXPECT_THAT(CheckAll(true), StatusIs(absl::StatusCode::kDataLoss, "second"));
}

TEST(StatusMacrosTest, AnnotateKeepsTheCode) {
  EXPECT_THAT(Annotate(absl::NotFoundError("absent"), "layer 3"),
              StatusIs(absl::StatusCode::kNotFound, "layer 3: absent"));
  EXPECT_THAT(Annotate(absl::OkStatus(), "layer 3"), IsOk());
}

TEST(StatusMatchersTest, TellWhatTheyShould) {
  EXPECT_THAT(absl::NotFoundError("x"), Not(IsOk()));
  EXPECT_THAT(absl::NotFoundError("x"),
              Not(StatusIs(absl::StatusCode::kDataLoss)));
  EXPECT_THAT(absl::NotFoundError("x"),
              Not(StatusIs(absl::StatusCode::kNotFound, "y")));
  EXPECT_THAT(absl::StatusOr<int>(3), Not(IsOkAndHolds(4)));
  EXPECT_THAT(absl::StatusOr<int>(absl::NotFoundError("x")),
              Not(IsOkAndHolds(3)));
}

}  // namespace
}  // namespace moe::base
