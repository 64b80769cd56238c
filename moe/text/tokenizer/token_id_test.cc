#include "moe/text/tokenizer/token_id.h"

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;

TEST(ToAbslTest, IsTheSameOrNone) {
  EXPECT_EQ(ToAbsl(std::nullopt), absl::nullopt);
  EXPECT_EQ(ToAbsl(0), absl::optional<int32_t>(0));
  EXPECT_EQ(ToAbsl(7), absl::optional<int32_t>(7));
}

TEST(CheckTokenIdsTest, NamesTheFirstOutsideOfTheVocabulary) {
  MOE_EXPECT_OK(CheckTokenIds({}, 0));
  MOE_EXPECT_OK(CheckTokenIds({0, 9, 5}, 10));
  EXPECT_THAT(CheckTokenIds({0, 10, -1}, 10),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "ids[1] is 10; the tokenizer has ids from 0 to 9"));
  EXPECT_THAT(CheckTokenIds({-1}, 10),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "ids[0] is -1; the tokenizer has ids from 0 to 9"));
}

}  // namespace
}  // namespace moe
