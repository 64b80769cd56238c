#include "moe/reconstruct/energy_report.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/reconstruct/energy_split.h"
#include "moe/reconstruct/energy_split_options.pb.h"

namespace moe::reconstruct {
namespace {

using ::testing::HasSubstr;

// 16 tokens, 4 experts of 3 neurons, 2 experts a token: an even load is 8.
EnergySplit OneLayer() {
  EnergySplit split;
  split.neuron_indices.layers.push_back(
      {base::Matrix<int64_t>::Zeros(4, 3), std::vector<int64_t>{1, 2}});
  split.layers.push_back({.captured = {4.0, 6.0, 5.0},
                          .best_iteration = 1,
                          .oracle = 7.0,
                          .routed = 8.0,
                          .shared = 24.0,
                          .loads = {8, 4, 10, 10},
                          .elapsed_sec = 1.5});
  return split;
}

TEST(EnergyReportTest, HasSharesAndLoads) {
  EnergySplitOptions options;
  options.set_num_experts(4);
  const base::Json report = EnergySplitReportToJson(options, OneLayer());
  EXPECT_EQ(report["options"]["num_experts"], 4);
  const base::Json want = {{"layer", 0},
                           {"expert_size", 3},
                           {"shared_size", 2},
                           {"shared_share", 0.75},
                           {"captured_share", 0.75},
                           {"oracle_share", 0.875},
                           {"captured_by_iteration", {0.5, 0.75, 0.625}},
                           {"best_iteration", 1},
                           {"least_load", 0.5},
                           {"largest_load", 1.25},
                           {"seconds", 1.5}};
  EXPECT_EQ(report["layers"], base::Json::array({want}));
}

TEST(EnergyReportTest, IsATable) {
  EXPECT_EQ(FormatEnergySplitReport(OneLayer()),
            "  layer    shared + experts  shared energy  captured  oracle  "
            "best iteration         load  seconds\n"
            "      0           2 + 4 x 3         0.7500    0.7500  0.8750  "
            "           2/3   0.50..1.25     1.50\n");
}

TEST(EnergyReportTest, NoEnergyHasNoShares) {
  EnergySplit split = OneLayer();
  split.layers[0].captured = {0.0};
  split.layers[0].best_iteration = 0;
  split.layers[0].oracle = 0.0;
  split.layers[0].routed = 0.0;
  split.layers[0].shared = 0.0;
  split.neuron_indices.layers[0].residual.reset();
  const base::Json layer =
      EnergySplitReportToJson(EnergySplitOptions(), split)["layers"][0];
  EXPECT_EQ(layer["shared_size"], 0);
  EXPECT_EQ(layer["shared_share"], 0.0);
  EXPECT_EQ(layer["captured_share"], 0.0);
}

}  // namespace
}  // namespace moe::reconstruct
