#include "moe/model/walk/held_output.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/sequence_groups.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::Each;

void Fill(base::MatrixView<float> rows, float value) {
  for (int64_t t = 0; t < rows.rows; ++t) {
    for (float& element : rows.Row(t)) element = value;
  }
}

// In memory, or spilled.
TEST(HeldOutputTest, KeepsBothPartsOfEveryGroup) {
  const base::testing::TempDirectory directory;
  const std::vector<SequenceGroup> groups = {{0, 0, {0, 2}}, {1, 2, {0, 3}}};
  for (const int64_t limit : {int64_t{2 * 5 * 4 * 4}, int64_t{0}}) {
    base::MemoryBudget budget(limit);
    HeldOutput held(5, 4, budget, directory.path());
    EXPECT_EQ(budget.reserved_bytes(), 0);
    for (const SequenceGroup& group : groups) {
      MOE_ASSERT_OK_AND_ASSIGN(const BlockOutput out,
                               held.Prepare(group, /*has_residual=*/true));
      Fill(out.output, static_cast<float>(group.first_token));
      Fill(out.residual, static_cast<float>(10 + group.first_token));
      MOE_ASSERT_OK(held.Store(group, out));
    }
    EXPECT_EQ(budget.reserved_bytes(), limit);
    for (const SequenceGroup& group : groups) {
      MOE_ASSERT_OK_AND_ASSIGN(const BlockOutput out,
                               held.Load(group, /*has_residual=*/true));
      ASSERT_EQ(out.output.rows, group.num_tokens());
      ASSERT_EQ(out.residual.rows, group.num_tokens());
      for (int64_t t = 0; t < out.output.rows; ++t) {
        EXPECT_THAT(out.output.Row(t),
                    Each(static_cast<float>(group.first_token)));
        EXPECT_THAT(out.residual.Row(t),
                    Each(static_cast<float>(10 + group.first_token)));
      }
    }
  }
}

TEST(HeldOutputTest, TakesNothingForAResidualThatIsNotThere) {
  base::MemoryBudget budget;
  HeldOutput held(5, 4, budget, "/nowhere");
  const SequenceGroup group = {0, 0, {0, 5}};
  MOE_ASSERT_OK_AND_ASSIGN(const BlockOutput out,
                           held.Prepare(group, /*has_residual=*/false));
  EXPECT_EQ(out.residual.rows, 0);
  MOE_EXPECT_OK(held.Store(group, out));
  EXPECT_EQ(budget.reserved_bytes(), 5 * 4 * 4);
}

TEST(HeldOutputTest, NeedsAPlaceToSpillTo) {
  base::MemoryBudget budget(0);
  HeldOutput held(5, 4, budget, "/nowhere");
  EXPECT_THAT(held.Prepare({0, 0, {0, 5}}, /*has_residual=*/false),
              StatusIs(absl::StatusCode::kNotFound, ::testing::_));
}

}  // namespace
}  // namespace moe::model
