#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/convert/convert_mlp.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(SplitSequentiallyTest, CutsEveryLayerEvenly) {
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::NeuronIndices indices,
                           SplitSequentially({2, 3, 6}));
  ASSERT_EQ(indices.layers.size(), 2);
  for (const checkpoint::LayerNeuronIndices& layer : indices.layers) {
    EXPECT_EQ(layer.experts, base::Matrix<int64_t>(3, 2, {0, 1, 2, 3, 4, 5}));
    EXPECT_FALSE(layer.residual.has_value());
  }
  MOE_EXPECT_OK(
      checkpoint::ValidateNeuronIndices(indices, {2, 3, 6}, "sequential"));
}

TEST(SplitSequentiallyTest, RefusesWhatDoesNotDivide) {
  EXPECT_THAT(SplitSequentially({2, 4, 6}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_experts: expected a divisor of "
                                 "intermediate_size, 6, found 4")));
}

TEST(CountUseTest, CountsWhatIsUnusedAndShared) {
  checkpoint::LayerNeuronIndices layer;
  layer.experts = base::Matrix<int64_t>(2, 2, {5, 0, 0, 3});
  NeuronUse use = CountUse(layer, 6);
  EXPECT_EQ(use.num_unused, 3);  // 1, 2, 4
  EXPECT_EQ(use.num_shared, 1);  // 0
  layer.residual = std::vector<int64_t>{1, 2, 4};
  use = CountUse(layer, 6);
  EXPECT_EQ(use.num_unused, 0);
  EXPECT_EQ(use.num_shared, 1);
}

}  // namespace
}  // namespace moe::convert
