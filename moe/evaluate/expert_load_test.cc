#include "moe/evaluate/expert_load.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/sequence_groups.h"

namespace moe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two groups in two layers, the second with attention experts only.
std::vector<ExpertLoad> TwoLayers() {
  const SequenceGroup group = {0, 0, {0, 4}};
  ExpertLoadTap tap;
  const auto see = [&](int64_t layer, DecoderBlock block,
                       const std::vector<std::vector<int64_t>>& rows) {
    std::vector<ExpertTokens> experts;
    for (const std::vector<int64_t>& of_expert : rows) {
      experts.push_back({of_expert, std::vector<float>(of_expert.size())});
    }
    MOE_EXPECT_OK(tap.OnRouting({layer, group}, block, experts));
  };
  see(1, DecoderBlock::kAttention, {{0, 1}, {2, 3}});
  see(1, DecoderBlock::kMlp, {{0, 3}, {}, {1, 2}});
  see(1, DecoderBlock::kAttention, {{}, {0, 1, 2, 3}});
  see(1, DecoderBlock::kMlp, {{0, 1}, {2}, {3}});
  see(3, DecoderBlock::kAttention, {{1}, {0, 2, 3}});
  return tap.loads();
}

TEST(ExpertLoadTest, IsSummedOverGroups) {
  const std::vector<ExpertLoad> loads = TwoLayers();
  ASSERT_THAT(loads, SizeIs(2));
  EXPECT_EQ(loads[0].layer, 1);
  EXPECT_THAT(loads[0].attention, ElementsAre(2, 6));
  EXPECT_THAT(loads[0].mlp, ElementsAre(4, 1, 3));
  EXPECT_EQ(loads[1].layer, 3);
  EXPECT_THAT(loads[1].attention, ElementsAre(1, 3));
  EXPECT_THAT(loads[1].mlp, IsEmpty());
}

TEST(ExpertLoadTest, AsJsonAndText) {
  EXPECT_EQ(ExpertLoadToJson(TwoLayers()),
            Json::parse(R"([{"layer": 1, "mlp": [4, 1, 3],
                             "attention": [2, 6]},
                            {"layer": 3, "attention": [1, 3]}])"));
  // 6 of a mean of 4, 4 of 8 / 3, 3 of 2.
  EXPECT_EQ(FormatExpertLoad(TwoLayers()),
            "  expert load, tokens\n"
            "    layer  1 attention  2 6  (largest 1.50 of the mean)\n"
            "    layer  1 MLP        4 1 3  (largest 1.50 of the mean)\n"
            "    layer  3 attention  1 3  (largest 1.50 of the mean)\n");
  EXPECT_EQ(FormatExpertLoad({}), "");
  EXPECT_EQ(ExpertLoadToJson({}), Json::array());
}

}  // namespace
}  // namespace moe
