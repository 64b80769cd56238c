#include "moe/model/walk/hidden_states.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

// Row r, column c holds 10 r + c.
void Fill(HiddenStates& states, int64_t begin, int64_t end) {
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = states.Prepare(begin, end, buffer);
  for (int64_t r = 0; r < rows.rows; ++r) {
    for (int64_t c = 0; c < rows.cols; ++c) {
      rows.RowData(r)[c] = static_cast<float>(10 * (begin + r) + c);
    }
  }
  MOE_ASSERT_OK(states.Store(begin, rows));
}

void ExpectFilled(HiddenStates& states, int64_t begin, int64_t end) {
  base::Matrix<float> buffer;
  MOE_ASSERT_OK_AND_ASSIGN(const base::MatrixView<float> rows,
                           states.Load(begin, end, buffer));
  ASSERT_EQ(rows.rows, end - begin);
  for (int64_t r = 0; r < rows.rows; ++r) {
    for (int64_t c = 0; c < rows.cols; ++c) {
      EXPECT_EQ(rows.RowData(r)[c], 10 * (begin + r) + c);
    }
  }
}

TEST(HiddenStatesTest, SpillWhereTheBudgetEndsAndComeBackTheSame) {
  const base::testing::TempDirectory directory;
  // 5 tokens of 3 floats take 60 bytes.
  for (const int64_t limit : {59, 60}) {
    base::MemoryBudget budget(limit);
    MOE_ASSERT_OK_AND_ASSIGN(
        HiddenStates states,
        HiddenStates::Create(5, 3, budget, directory.path()));
    EXPECT_EQ(states.is_spilled(), limit < 60);
    EXPECT_EQ(budget.reserved_bytes(), limit < 60 ? 0 : 60);
    EXPECT_EQ(states.num_tokens(), 5);
    EXPECT_EQ(states.hidden_size(), 3);
    Fill(states, 2, 5);
    Fill(states, 0, 2);
    ExpectFilled(states, 0, 5);
    ExpectFilled(states, 1, 3);
    HiddenStates moved = std::move(states);
    ExpectFilled(moved, 4, 5);
  }
}

TEST(HiddenStatesTest, ChangesAreKeptByStore) {
  const base::testing::TempDirectory directory;
  base::MemoryBudget budget(0);
  MOE_ASSERT_OK_AND_ASSIGN(
      HiddenStates states,
      HiddenStates::Create(5, 3, budget, directory.path()));
  Fill(states, 0, 5);
  base::Matrix<float> buffer;
  MOE_ASSERT_OK_AND_ASSIGN(const base::MatrixView<float> rows,
                           states.Load(1, 2, buffer));
  rows.RowData(0)[2] = -7.0f;
  MOE_ASSERT_OK(states.Store(1, rows));
  base::Matrix<float> other;
  MOE_ASSERT_OK_AND_ASSIGN(const base::MatrixView<float> again,
                           states.Load(0, 3, other));
  EXPECT_EQ(again.RowData(1)[2], -7.0f);
  EXPECT_EQ(again.RowData(2)[0], 20.0f);
}

TEST(HiddenStatesTest, KeepACopyOfAnyRows) {
  const base::testing::TempDirectory directory;
  base::MemoryBudget nothing(0), unlimited;
  // Two rows of three, five apart.
  const std::vector<float> values = {20, 21, 22, -1, -1, 30, 31, 32};
  const std::vector<float> dense = {20, 21, 22, 30, 31, 32};
  for (base::MemoryBudget* const budget : {&nothing, &unlimited}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        HiddenStates states,
        HiddenStates::Create(5, 3, *budget, directory.path()));
    Fill(states, 0, 2);
    Fill(states, 4, 5);
    base::Matrix<float> buffer;
    MOE_EXPECT_OK(states.StoreCopy(
        2, base::MatrixView<const float>(values.data(), 2, 3, 5), buffer));
    ExpectFilled(states, 0, 5);
    Fill(states, 0, 5);
    MOE_EXPECT_OK(states.StoreCopy(
        2, base::MatrixView<const float>(dense.data(), 2, 3), buffer));
    ExpectFilled(states, 0, 5);
  }
}

TEST(HiddenStatesTest, NeedADirectoryToSpillTo) {
  base::MemoryBudget budget(0);
  EXPECT_THAT(
      HiddenStates::Create(5, 3, budget, "/nowhere/at/all").status(),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/at/all")));
}

// Rows of blocks, summed: 10 r + c.
TEST(HiddenStatesTest, BlocksCoverAllRowsOnce) {
  const base::testing::TempDirectory directory;
  base::MemoryBudget nothing(0), unlimited;
  base::ThreadPool pool(3);
  for (base::MemoryBudget* const budget : {&nothing, &unlimited}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        HiddenStates states,
        HiddenStates::Create(23, 4, *budget, directory.path()));
    Fill(states, 0, 23);
    std::vector<std::atomic<int>> visits(23);
    const auto visit = [&](int64_t first,
                           base::MatrixView<const float> rows) -> absl::Status {
      EXPECT_EQ(first % 5, 0);
      EXPECT_EQ(rows.rows, first == 20 ? 3 : 5);
      for (int64_t r = 0; r < rows.rows; ++r) {
        EXPECT_EQ(rows.RowData(r)[3], 10 * (first + r) + 3);
        ++visits[static_cast<size_t>(first + r)];
      }
      return absl::OkStatus();
    };
    base::Matrix<float> buffer;
    MOE_EXPECT_OK(states.ForEachBlock(5, buffer, visit));
    MOE_EXPECT_OK(states.ForEachBlockInParallel(5, pool, visit));
    for (const std::atomic<int>& count : visits) EXPECT_EQ(count, 2);
  }
}

TEST(HiddenStatesTest, TheFirstBlocksErrorIsGiven) {
  base::MemoryBudget unlimited;
  base::ThreadPool pool(3);
  MOE_ASSERT_OK_AND_ASSIGN(HiddenStates states,
                           HiddenStates::Create(23, 4, unlimited, ""));
  Fill(states, 0, 23);
  const auto fail = [&](int64_t first,
                        base::MatrixView<const float>) -> absl::Status {
    if (first < 10) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("at ", first));
  };
  base::Matrix<float> buffer;
  EXPECT_THAT(states.ForEachBlock(5, buffer, fail),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("at 10")));
  EXPECT_THAT(states.ForEachBlockInParallel(5, pool, fail),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("at 10")));
}

}  // namespace
}  // namespace moe::model
