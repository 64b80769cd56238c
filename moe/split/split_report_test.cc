#include "moe/split/split_report.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/split/neuron_split.h"
#include "moe/split/split_options.pb.h"

namespace moe {
namespace {

using ::testing::HasSubstr;

TEST(SplitReportTest, ResidualSplit) {
  ResidualSplitOptions options;
  options.set_num_experts_moe(2);
  options.set_num_experts_residual(1);
  options.set_criterion(SplitCriterion::MIN);
  NeuronSplit split;
  split.indices.layers.push_back(
      {Matrix<int64_t>(2, 2, {0, 1, 2, 3}), std::vector<int64_t>{4, 5}});
  split.overlaps.push_back({{3, 2, 1}, {2, 4, 0}, {0, 1, 1}});
  const Json json = SplitReportToJson(options, split);
  EXPECT_EQ(json.dump(),
            R"({"options":{"num_experts_moe":2,"num_experts_residual":1,)"
            R"("criterion":"min","share_neurons":false},)"
            R"("layers":[{"layer":0,"expert_size":2,"residual_size":2,)"
            R"("wanted":[3,2,1],"taken":[2,4,0],"residual_wanted":[0,1,1]}]})");
  const std::string table = FormatSplitReport(split);
  EXPECT_THAT(table, HasSubstr("3/2/1, 2 at most"));
  EXPECT_THAT(table, HasSubstr("2/4/0, 1 at most"));
  EXPECT_THAT(table, HasSubstr("1.50 experts"));
}

TEST(SplitReportTest, VanillaSplit) {
  VanillaSplitOptions options;
  options.set_num_experts(2);
  options.set_share_neurons(true);
  NeuronSplit split;
  split.indices.layers.push_back({Matrix<int64_t>(2, 1, {1, 1}), {}});
  split.overlaps.push_back({{1, 0, 1}, {1, 0, 1}, {}});
  EXPECT_EQ(SplitReportToJson(options, split).dump(),
            R"({"options":{"num_experts":2,"criterion":"max",)"
            R"("share_neurons":true},"layers":[{"layer":0,"expert_size":1,)"
            R"("wanted":[1,0,1],"taken":[1,0,1]}]})");
  EXPECT_THAT(FormatSplitReport(split), HasSubstr("1/0/1, 2 at most"));
}

TEST(SplitReportTest, NaiveSplit) {
  NaiveSplitOptions options;
  options.set_num_experts(2);
  NeuronIndices indices;
  indices.layers.push_back({Matrix<int64_t>::Zeros(2, 3), {}});
  EXPECT_EQ(SplitReportToJson(options, indices).dump(),
            R"({"options":{"method":"sequential","num_experts":2},)"
            R"("layers":[{"layer":0,"expert_size":3}]})");
  options.set_method(NaiveSplitOptions::RANDOM);
  options.set_seed(4);
  EXPECT_EQ(SplitReportToJson(options, indices)["options"].dump(),
            R"({"method":"random","num_experts":2,"seed":4})");
}

}  // namespace
}  // namespace moe
