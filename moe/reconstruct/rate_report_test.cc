#include "moe/reconstruct/rate_report.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/reconstruct/rate_split.h"
#include "moe/reconstruct/rate_split_options.pb.h"

namespace moe::reconstruct {
namespace {

// 16 tokens with 2 activated neurons; 4 experts of 3 neurons, 2 experts a
// token: an even load is 8.
ActivationRateSplit OneLayer() {
  ActivationRateSplit split;
  split.neuron_indices.layers.push_back(
      {base::Matrix<int64_t>::Zeros(4, 3), std::vector<int64_t>{1, 2}});
  split.layers.push_back({.spread = {0.75, 0.5},
                          .representatives = {4, 3, 9, 7},
                          .captured = 4,
                          .oracle = 7,
                          .routed = 8,
                          .shared = 24,
                          .loads = {8, 4, 10, 10},
                          .elapsed_sec = 1.5});
  return split;
}

TEST(RateReportTest, HasSharesAndLoads) {
  ActivationRateSplitOptions options;
  options.set_num_experts(4);
  const base::Json report =
      ActivationRateSplitReportToJson(options, OneLayer());
  EXPECT_EQ(report["options"]["num_experts"], 4);
  EXPECT_EQ(report["options"]["activated_neurons"], 10);
  const base::Json want = {{"layer", 0},
                           {"expert_size", 3},
                           {"shared_size", 2},
                           {"shared_share", 0.75},
                           {"captured_share", 0.5},
                           {"oracle_share", 0.875},
                           {"iterations", 2},
                           {"spread_by_iteration", {0.75, 0.5}},
                           {"representatives", {4, 3, 9, 7}},
                           {"least_load", 0.5},
                           {"largest_load", 1.25},
                           {"seconds", 1.5}};
  EXPECT_EQ(report["layers"], base::Json::array({want}));
}

TEST(RateReportTest, IsATable) {
  EXPECT_EQ(FormatActivationRateSplitReport(OneLayer()),
            "  layer    shared + experts  shared rates  captured  oracle  "
            "iterations         load  seconds\n"
            "      0           2 + 4 x 3        0.7500    0.5000  0.8750  "
            "         2   0.50..1.25     1.50\n");
}

TEST(RateReportTest, NoRoutedActivationsHaveNoShares) {
  ActivationRateSplit split = OneLayer();
  split.layers[0].captured = split.layers[0].oracle = 0;
  split.layers[0].routed = 0;
  const base::Json layer = ActivationRateSplitReportToJson(
      ActivationRateSplitOptions(), split)["layers"][0];
  EXPECT_EQ(layer["shared_share"], 1.0);
  EXPECT_EQ(layer["captured_share"], 0.0);
  EXPECT_EQ(layer["oracle_share"], 0.0);
}

}  // namespace
}  // namespace moe::reconstruct
