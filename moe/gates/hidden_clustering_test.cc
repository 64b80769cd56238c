#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/mlp_inputs.h"
#include "moe/gates/router_weights.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::gates {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::model::testing::EightSequences;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

constexpr char kFixture[] = "llama_gqa_bf16";

ClusteringOptions Options(int64_t num_experts) {
  ClusteringOptions options;
  options.set_num_experts(num_experts);
  options.set_balance_jitter_factor(0.4);
  options.set_n_init(3);
  options.set_seed(42);
  return options;
}

absl::StatusOr<HiddenClustering> Cluster(
    const ClusteringOptions& options, const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  return ClusterHiddenStates(model, EightSequences(kFixture), options,
                             walk_options, resources);
}

TEST(ClusterHiddenStatesTest, ClustersTheInputsOfEveryMlp) {
  WalkMachine machine;
  const ClusteringOptions options = Options(6);
  MOE_ASSERT_OK_AND_ASSIGN(const HiddenClustering result,
                           Cluster(options, {}, machine.resources()));
  ASSERT_EQ(result.layers.size(), 4);
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  MOE_ASSERT_OK_AND_ASSIGN(
      const ClusteringMemory memory,
      ClusteringMemory::Reserve({166, 128, 2}, options, machine.budget));
  const auto compare = [&](int64_t layer,
                           model::HiddenStates& x) -> absl::Status {
    MOE_ASSIGN_OR_RETURN(
        const Clustering want,
        ClusterBalanced(x, options,
                        absl::StrCat("hidden_clustering/layer/", layer),
                        {memory, machine.pool, nullptr}));
    const auto l = static_cast<size_t>(layer);
    const Clustering& got = result.layers[l].clustering;
    EXPECT_EQ(got.sizes, want.sizes);
    EXPECT_EQ(got.routed_counts, want.routed_counts);
    EXPECT_EQ(got.restarts.size(), 3);
    for (int64_t e = 0; e < 6; ++e) {
      EXPECT_EQ(result.gate_weights.layers[l].Row(e),
                want.centroids.view().Row(e));
    }
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(ForEachMlpInputs(model, EightSequences(kFixture), {},
                                 machine.resources(), compare));
}

TEST(ClusterHiddenStatesTest, RefusesOptionsBeforeTheWalk) {
  WalkMachine machine;
  EXPECT_THAT(
      Cluster(Options(167), {}, machine.resources()).status(),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("expected at most 166, the number of tokens, found 167")));
  EXPECT_THAT(
      Cluster(Options(1025), {}, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("num_experts: expected 1 to 1024, found 1025")));
}

TEST(ClusterHiddenStatesTest, SaysWhatBudgetWouldDo) {
  WalkMachine machine(1, 1000);
  EXPECT_THAT(Cluster(Options(6), {}, machine.resources()).status(),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("--memory_budget=")));
}

std::vector<float> GateValues(const HiddenClustering& clustering) {
  std::vector<float> values;
  for (const auto& layer : clustering.gate_weights.layers) {
    values.insert(values.end(), layer.values().begin(), layer.values().end());
  }
  return values;
}

using HiddenClusteringBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(HiddenClusteringBitsTest, GoldenForAllBudgets) {
  const base::testing::TempDirectory directory;
  model::WalkOptions options;
  options.spill_directory = directory.path();
  options.keep_weights = false;
  const auto run = [&](int64_t budget_bytes) -> absl::Status {
    WalkMachine machine(1, budget_bytes);
    MOE_ASSIGN_OR_RETURN(const HiddenClustering clustering,
                         Cluster(Options(8), options,
                                 {machine.budget, pool(), machine.progress}));
    // Computed on the first machine: pins the bits everywhere.
    EXPECT_EQ(Digest<float>(GateValues(clustering)), "0361f55219d9ae81");
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(run(base::MemoryBudget::kUnlimited));
  SmallestBudget(run);
}

INSTANTIATE_TEST_SUITE_P(All, HiddenClusteringBitsTest,
                         ValuesIn(FewKernelMachines()), KernelMachineName);

}  // namespace
}  // namespace moe::gates
