#include "moe/base/memory_budget.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
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
  EXPECT_THAT(budget.Reserve(2048, "layer 3"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("layer 3 needs 2.00 KiB"),
                             HasSubstr("--memory_budget=2348"))));
}

TEST(MemoryBudgetTest, UnlimitedTakesTheLargestAmount) {
  MemoryBudget budget;
  EXPECT_TRUE(budget.TryReserve(MemoryBudget::kUnlimited).has_value());
}

}  // namespace
}  // namespace moe
