#include "moe/base/errno_status.h"

#include <cerrno>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ErrnoStatusTest, SaysWhichLimitAndWhatItIs) {
  EXPECT_THAT(
      ErrnoStatus(EMFILE, "opening f"),
      StatusIs(absl::StatusCode::kResourceExhausted,
               ::testing::ContainsRegex("opening f.*ulimit -n, now [0-9]+")));
  EXPECT_THAT(ErrnoStatus(EFBIG, "writing f").message(),
              HasSubstr("ulimit -f, now"));
  EXPECT_THAT(ErrnoStatus(ENOSPC, "writing f").message(),
              HasSubstr("free some space"));
}

TEST(ErrnoStatusTest, AddsNothingToOtherErrors) {
  EXPECT_THAT(ErrnoStatus(ENOENT, "opening f"),
              StatusIs(absl::StatusCode::kNotFound, Not(HasSubstr(";"))));
}

}  // namespace
}  // namespace moe
