#include "moe/model/layer/layer_batch.h"

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/expert_routing.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(CheckActivationTest, NamesTheTokenOfTheRow) {
  base::ThreadPool pool(1);
  const std::vector<int64_t> offsets = {0, 2, 9};
  const LayerBatch batch = {offsets, {}, /*first_sequence=*/10};
  TestMatrix x(3, 4);
  const std::vector<int64_t> rows = {1, 4, 8};
  MOE_EXPECT_OK(CheckActivation(batch, "x", x.view(), 0, pool));
  MOE_EXPECT_OK(CheckActivation(batch, "x", x.view(), rows, pool));
  x.view().Row(1)[3] = NAN;
  EXPECT_THAT(CheckActivation(batch, "the x", x.view(), 4, pool),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the x of sequence 11, position 3, feature 3 "
                                 "of 4: NaN or infinity")));
  EXPECT_THAT(CheckActivation(batch, "the x", x.view(), rows, pool),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the x of sequence 11, position 2, feature 3 "
                                 "of 4: NaN or infinity")));
}

std::vector<std::pair<int64_t, int64_t>> EvenBlocks(int64_t num_rows,
                                                    int64_t most_rows) {
  std::vector<std::pair<int64_t, int64_t>> blocks;
  MOE_EXPECT_OK(
      ForEachEvenBlock(num_rows, most_rows, [&](int64_t begin, int64_t end) {
        blocks.emplace_back(begin, end);
        return absl::OkStatus();
      }));
  return blocks;
}

TEST(ForEachEvenBlockTest, HasFewAndEvenBlocks) {
  EXPECT_THAT(EvenBlocks(0, 8), IsEmpty());
  EXPECT_THAT(EvenBlocks(8, 8), ElementsAre(Pair(0, 8)));
  EXPECT_THAT(EvenBlocks(9, 8), ElementsAre(Pair(0, 4), Pair(4, 9)));
  EXPECT_THAT(EvenBlocks(20, 8),
              ElementsAre(Pair(0, 6), Pair(6, 13), Pair(13, 20)));
  EXPECT_THAT(ForEachEvenBlock(20, 8,
                               [](int64_t begin, int64_t) {
                                 return begin == 6 ? absl::DataLossError("at 6")
                                                   : absl::OkStatus();
                               }),
              StatusIs(absl::StatusCode::kDataLoss, "at 6"));
}

TEST(MostRowsTest, IsOfTheLargestExpert) {
  const std::vector<ExpertTokens> experts = {{{1, 2}, {1, 1}}, {}, {{1}, {1}}};
  EXPECT_EQ(MostRows(experts, 10), 2);
  EXPECT_EQ(MostRows(experts, 1), 1);
}

TEST(ClearRowsTest, LeavesNothing) {
  base::ThreadPool pool(2);
  TestMatrix x(40, 1000, 3, 5);
  x.Fill("x");
  ClearRows(x.view(), pool);
  for (const float value : x.Values()) {
    EXPECT_EQ(value, 0.0f);
    EXPECT_FALSE(std::signbit(value));
  }
  EXPECT_TRUE(x.PaddingIsUntouched());
}

}  // namespace
}  // namespace moe::model
