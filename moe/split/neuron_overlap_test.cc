#include "moe/split/neuron_overlap.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"

namespace moe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NeuronOverlapTest, CountsInHowManyListsNeuronsStand) {
  const Matrix<int32_t> ranking(3, 5,
                                {0, 1, 2, 3, 4,  //
                                 0, 2, 1, 3, 4,  //
                                 0, 1, 4, 3, 2});
  // Best two: 0 in three lists, 1 in two, 2 in one, 3 and 4 in none.
  const LayerNeuronIndices shared = {Matrix<int64_t>(3, 2, {1, 2, 2, 1, 1, 4}),
                                     std::vector<int64_t>{0, 3}};
  const NeuronOverlap overlap = OverlapOf(ranking, shared);
  EXPECT_THAT(overlap.wanted, ElementsAre(2, 1, 1, 1));
  // Got: 1 by three, 2 by two, 4 by one, 0 and 3 by none.
  EXPECT_THAT(overlap.taken, ElementsAre(2, 1, 1, 1));
  // 0 is wanted by three, 3 by none.
  EXPECT_THAT(overlap.residual_wanted, ElementsAre(1, 0, 0, 1));

  const LayerNeuronIndices vanilla = {Matrix<int64_t>(3, 1, {0, 2, 1}), {}};
  EXPECT_THAT(OverlapOf(ranking, vanilla).wanted, ElementsAre(4, 0, 0, 1));
  EXPECT_THAT(OverlapOf(ranking, vanilla).taken, ElementsAre(2, 3, 0, 0));
  EXPECT_THAT(OverlapOf(ranking, vanilla).residual_wanted, IsEmpty());
}

}  // namespace
}  // namespace moe
