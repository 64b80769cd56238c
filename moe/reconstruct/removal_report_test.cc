#include "moe/reconstruct/removal_report.h"

#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/reconstruct/neuron_removal.h"
#include "moe/reconstruct/neuron_removal_options.pb.h"

namespace moe::reconstruct {
namespace {

// The energies of the first layer are 4, 10, 2: 14 of 16. The second has none.
NeuronRemoval TwoLayers() {
  NeuronRemoval removal;
  removal.kept = {{0, 1}, {0, 1}};
  removal.energies = {{.kept = 14.0,
                       .removed = 2.0,
                       .least_kept = 4.0,
                       .largest_kept = 10.0,
                       .largest_removed = 2.0},
                      {}};
  return removal;
}

TEST(RemovalReportTest, HasShares) {
  NeuronRemovalOptions options;
  options.set_num_neurons(2);
  const base::Json want = {{"options", {{"num_neurons", 2}}},
                           {"intermediate_size", 3},
                           {"kept_share", 0.4375},  // (0.875 + 0) / 2
                           {"layers",
                            {{{"layer", 0},
                              {"kept_share", 0.875},
                              {"largest_kept_share", 0.625},
                              {"least_kept_share", 0.25},
                              {"largest_removed_share", 0.125}},
                             {{"layer", 1},
                              {"kept_share", 0.0},
                              {"largest_kept_share", 0.0},
                              {"least_kept_share", 0.0},
                              {"largest_removed_share", 0.0}}}}};
  EXPECT_EQ(NeuronRemovalToJson(options, 3, TwoLayers()), want);
}

TEST(RemovalReportTest, IsATable) {
  EXPECT_EQ(
      FormatNeuronRemoval(TwoLayers()),
      "  layer  kept energy  largest kept  least kept  largest removed\n"
      "      0       0.8750      6.25e-01    2.50e-01         1.25e-01\n"
      "      1       0.0000      0.00e+00    0.00e+00         0.00e+00\n"
      "  kept energy of a layer: 0.0000 at least, 0.4375 in the mean, 0.8750 "
      "at most\n");
}

}  // namespace
}  // namespace moe::reconstruct
