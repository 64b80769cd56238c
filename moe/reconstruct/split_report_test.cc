#include "moe/reconstruct/split_report.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"

namespace moe::reconstruct {
namespace {

TEST(ShareOfTest, IsZeroOfNothing) {
  EXPECT_EQ(ShareOf(3, 4), 0.75);
  EXPECT_EQ(ShareOf(0, 0), 0.0);
}

// 32 / 4 = 8 is the mean; 4 / 8 and 10 / 8.
TEST(LoadRangeTest, IsByTheMean) {
  const LoadRange loads = LoadRangeOf({8, 4, 10, 10});
  EXPECT_EQ(loads.least, 0.5);
  EXPECT_EQ(loads.largest, 1.25);
  EXPECT_EQ(FormatLoadRange(loads), "0.50..1.25");
}

TEST(FormatSizesTest, HasSharedNeuronsAndExperts) {
  checkpoint::LayerNeuronIndices indices = {base::Matrix<int64_t>::Zeros(4, 3),
                                            {}};
  EXPECT_EQ(NumShared(indices), 0);
  EXPECT_EQ(FormatSizes(indices), "0 + 4 x 3");
  indices.residual = std::vector<int64_t>{1, 2};
  EXPECT_EQ(NumShared(indices), 2);
  EXPECT_EQ(FormatSizes(indices), "2 + 4 x 3");
}

}  // namespace
}  // namespace moe::reconstruct
