#include "moe/gates/router_weights.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/random_selection_options.pb.h"

namespace moe::gates {
namespace {

using ::testing::HasSubstr;

HiddenClustering OneLayer() {
  Clustering clustering;
  clustering.bounds = {3, 9};
  clustering.sizes = {4, 8};
  clustering.routed_counts = {1, 11};
  clustering.restarts = {{2.5, 7, true, {}}, {1.5, 100, false, {}}};
  clustering.best_restart = 1;
  HiddenClustering result;
  result.layers.push_back({std::move(clustering), 0.25});
  return result;
}

TEST(GatesReportTest, ClusteringAsJson) {
  ClusteringOptions options;
  options.set_num_experts(2);
  options.set_balance_jitter_factor(0.5);
  options.set_distance_metric(ClusteringOptions::COS);
  options.set_n_init(2);
  options.set_seed(9);
  EXPECT_EQ(ClusteringReportToJson(options, OneLayer()), base::Json::parse(R"({
    "options": {"num_experts": 2, "balance_jitter_factor": 0.5,
                "distance_metric": "cos", "max_iter": 100, "n_init": 2,
                "seed": 9},
    "layers": [{"layer": 0, "min_size": 3, "max_size": 9, "sizes": [4, 8],
                "routed_counts": [1, 11], "inertia": 1.5, "best_restart": 1,
                "restarts": [
                  {"inertia": 2.5, "num_iterations": 7, "has_converged": true},
                  {"inertia": 1.5, "num_iterations": 100,
                   "has_converged": false}],
                "seconds": 0.25}]})"));
}

TEST(GatesReportTest, ClusteringAsTable) {
  EXPECT_EQ(FormatClusteringReport(OneLayer()),
            "  layer  cluster sizes    allowed  routed tokens       inertia  "
            "iterations  converged  seconds\n"
            "      0           4..8       3..9          1..11           1.5  "
            "       100        1/2     0.25\n");
}

TEST(GatesReportTest, SelectionAsJsonAndTable) {
  RandomSelectionOptions options;
  options.set_num_experts(2);
  options.set_seed(9);
  RandomSelection selection;
  selection.layers.push_back({{17, 4}, {5, 7}, 0.5});
  EXPECT_EQ(SelectionReportToJson(options, selection), base::Json::parse(R"({
    "options": {"num_experts": 2, "seed": 9},
    "layers": [{"layer": 0, "tokens": [17, 4], "routed_counts": [5, 7],
                "seconds": 0.5}]})"));
  EXPECT_THAT(FormatSelectionReport(selection), HasSubstr("5..7"));
}

}  // namespace
}  // namespace moe::gates
