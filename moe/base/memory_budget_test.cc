#include "moe/base/memory_budget.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(MemoryBudgetTest, CountsWhatIsHeld) {
  MemoryBudget budget(100);
  {
    std::optional<MemoryBudget::Reservation> a = budget.TryReserve(60);
    ASSERT_TRUE(a.has_value());
    EXPECT_EQ(budget.reserved_bytes(), 60);
    EXPECT_FALSE(budget.TryReserve(41).has_value());
    EXPECT_TRUE(budget.TryReserve(40).has_value());
  }
  EXPECT_EQ(budget.reserved_bytes(), 0);
}

TEST(MemoryBudgetTest, AMovedReservationIsReleasedOnce) {
  MemoryBudget budget(10);
  MemoryBudget::Reservation kept;
  {
    MOE_ASSERT_OK_AND_ASSIGN(MemoryBudget::Reservation first,
                             budget.Reserve(7, "weights"));
    kept = std::move(first);
  }
  EXPECT_EQ(budget.reserved_bytes(), 7);
  kept = MemoryBudget::Reservation();
  EXPECT_EQ(budget.reserved_bytes(), 0);
}

TEST(MemoryBudgetTest, RefusalSaysWhatIsNeeded) {
  MemoryBudget budget(1000);
  MOE_ASSERT_OK_AND_ASSIGN(const MemoryBudget::Reservation held,
                           budget.Reserve(300, "hidden states"));
  EXPECT_THAT(
      budget.Reserve(2048, "layer 3"),
      StatusIs(
          absl::StatusCode::kResourceExhausted,
          AllOf(HasSubstr("layer 3: expected 2.00 KiB of the memory budget"),
                HasSubstr("--memory_budget=2348"))));
}

TEST(MemoryBudgetTest, UnlimitedTakesTheLargestAmount) {
  MemoryBudget budget;
  EXPECT_TRUE(budget.TryReserve(MemoryBudget::kUnlimited).has_value());
}

}  // namespace

namespace {

TEST(ParseMemAvailableTest, FindsTheLine) {
  EXPECT_EQ(internal::ParseMemAvailable("MemTotal:       24670772 kB\n"
                                        "MemFree:         1234567 kB\n"
                                        "MemAvailable:   21000000 kB\n"),
            int64_t{21000000} * 1024);
  EXPECT_EQ(internal::ParseMemAvailable("MemTotal:       24670772 kB\n"),
            std::nullopt);
  EXPECT_EQ(internal::ParseMemAvailable("MemAvailable:   lots kB\n"),
            std::nullopt);
  EXPECT_EQ(internal::ParseMemAvailable(""), std::nullopt);
}

TEST(LeftInControlGroupTest, IsTheTightestAndCountsNoFiles) {
  const testing::TempDirectory root;
  EXPECT_EQ(internal::LeftInControlGroup(root.path(), "/a/b"), std::nullopt);
  root.Write("a/memory.max", "1000\n");
  root.Write("a/memory.current", "900\n");
  root.Write("a/memory.stat", "anon 100\nactive_file 300\ninactive_file 50\n");
  root.Write("a/b/memory.max", "max\n");
  root.Write("a/b/memory.current", "10\n");
  // 1000 - 900 + 350, of the group around.
  EXPECT_EQ(internal::LeftInControlGroup(root.path(), "/a/b"), 450);
  root.Write("a/b/memory.max", "30\n");
  EXPECT_EQ(internal::LeftInControlGroup(root.path(), "/a/b"), 20);
  EXPECT_EQ(internal::LeftInControlGroup(root.path(), ""), std::nullopt);
}

TEST(AvailableMemoryTest, IsPositive) {
  EXPECT_GT(AvailableMemoryBytes().value_or(1), 0);
}

TEST(PeakResidentBytesTest, GrowsWithWhatIsTouched) {
  const int64_t before = PeakResidentBytes();
  EXPECT_GT(before, 0);
  const std::vector<char> touched(size_t{64} << 20, 'x');
  EXPECT_GE(PeakResidentBytes(), before);
  EXPECT_GE(PeakResidentBytes(), static_cast<int64_t>(touched.size()));
}

// Sanitizers map terabytes, so the limit leaves a gigabyte above what is there.
TEST(AvailableMemoryTest, ALimitOfTheProcessCounts) {
  constexpr int64_t kLeft = int64_t{1} << 30;
  EXPECT_EXIT(
      {
        int64_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        rlimit limit = {};
        ::getrlimit(RLIMIT_AS, &limit);
        limit.rlim_cur = pages * ::sysconf(_SC_PAGESIZE) + kLeft;
        ::setrlimit(RLIMIT_AS, &limit);
        const std::optional<int64_t> available = AvailableMemoryBytes();
        ::_exit(available.has_value() && *available <= kLeft ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(AvailableMemoryTest, SaysItToAPerson) {
  EXPECT_THAT(DescribeMemory(),
              ::testing::MatchesRegex(
                  ".* [KMG]iB resident, .*B available to this process"));
}

}  // namespace

namespace {

using ::moe::base::testing::StatusIs;
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
}  // namespace moe::base
