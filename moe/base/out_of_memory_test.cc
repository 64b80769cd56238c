#include "moe/base/out_of_memory.h"

#include <new>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(OutOfMemoryTest, SaysWhatWasWantedWhatThereIsAndWhatToDo) {
  EXPECT_THAT(OutOfMemoryStatus(OutOfMemory(int64_t{3} << 30)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("3.00 GiB"), HasSubstr("resident"),
                             HasSubstr("--memory_budget"),
                             HasSubstr("MOE_NUM_THREADS"))));
  EXPECT_THAT(
      OutOfMemoryStatus(std::bad_alloc()),
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("some memory")));
}

}  // namespace
}  // namespace moe
