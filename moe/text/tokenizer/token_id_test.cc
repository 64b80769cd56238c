#include "moe/text/tokenizer/token_id.h"

#include <cstdint>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;

TEST(CheckTokenIdsTest, NamesTheFirstOutsideOfTheVocabulary) {
  MOE_EXPECT_OK(CheckTokenIds({}, 0));
  MOE_EXPECT_OK(CheckTokenIds({0, 9, 5}, 10));
  EXPECT_THAT(CheckTokenIds({0, 10, -1}, 10),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "ids[1]: expected an id from 0 to 9, found 10"));
  EXPECT_THAT(CheckTokenIds({-1}, 10),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "ids[0]: expected an id from 0 to 9, found -1"));
}

}  // namespace
}  // namespace moe::text
