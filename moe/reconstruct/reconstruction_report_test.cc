#include "moe/reconstruct/reconstruction_report.h"

#include <string>

#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/reconstruct/reconstruct_model.h"
#include "moe/reconstruct/reconstruct_options.pb.h"
#include "moe/reconstruct/refitted_weights.h"
#include "moe/reconstruct/routed_energy.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::TempDirectory;

class ReconstructionReportTest : public ::testing::Test {
 protected:
  const TempDirectory directory_;
  const Reconstruction made_ = {
      RefittedWeights::Create(directory_.path(), 1).value(),
      {{.layer = 0,
        .part = "mlp",
        .num_features = 160,
        .error_before = 0.5,
        .error_after = 0.25,
        .lambda = 0.125,
        .pivot_ratio = 1500.0,
        .energy =
            RoutedEnergy{
                .captured = 2.0, .oracle = 3.0, .routed = 4.0, .shared = 12.0}},
       {.layer = 12,
        .part = "attention",
        .num_features = 14336,
        .error_before = 1.0,
        .error_after = 0.0625,
        .lambda = 3.0,
        .pivot_ratio = 2.0}},
      /*num_tokens=*/100};
};

TEST_F(ReconstructionReportTest, HasTheOptionsAndAllBlocks) {
  ReconstructOptions options;
  options.set_parts("mlp");
  options.set_target(ReconstructOptions::DENSE_BLOCK);
  const base::Json want = {{"parts", "mlp"},
                           {"ridge", 0.15},
                           {"ridge_attention", 0.05},
                           {"target", "dense_block"},
                           {"blocks",
                            {{{"layer", 0},
                              {"part", "mlp"},
                              {"num_features", 160},
                              {"error_before", 0.5},
                              {"error_after", 0.25},
                              {"lambda", 0.125},
                              {"pivot_ratio", 1500.0},
                              {"shared_share", 0.75},
                              {"captured_share", 0.5},
                              {"oracle_share", 0.75}},
                             {{"layer", 12},
                              {"part", "attention"},
                              {"num_features", 14336},
                              {"error_before", 1.0},
                              {"error_after", 0.0625},
                              {"lambda", 3.0},
                              {"pivot_ratio", 2.0}}}}};
  EXPECT_EQ(ReconstructionToJson(made_, options), want);
}

TEST_F(ReconstructionReportTest, IsATable) {
  EXPECT_EQ(FormatReconstruction(made_),
            "  layer       part  features  error before  error after  "
            "shared energy  captured  oracle     lambda  pivot ratio\n"
            "      0        mlp       160        0.5000       0.2500  "
            "       0.7500    0.5000  0.7500      0.125      1.5e+03\n"
            "     12  attention     14336        1.0000       0.0625  "
            "            -         -       -          3            2\n");
}

}  // namespace
}  // namespace moe::reconstruct
