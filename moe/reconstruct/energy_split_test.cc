#include "moe/reconstruct/energy_split.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/energy_layer.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/reconstruct/energy_sums.h"
#include "moe/reconstruct/testing/gathering_tap.h"
#include "moe/reconstruct/token_weights.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::model::testing::EightSequences;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::moe::reconstruct::testing::GatheringTap;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

// 4 layers, hidden size 128, intermediate size 384.
constexpr char kFixture[] = "llama_gqa_bf16";

// 48 shared neurons and 14 experts of 24.
EnergySplitOptions Options() {
  EnergySplitOptions options;
  options.set_num_experts(14);
  options.set_num_shared_neurons(48);
  options.set_top_k(3);
  options.set_iterations(3);
  options.set_seed(42);
  return options;
}

absl::StatusOr<EnergySplit> Split(const EnergySplitOptions& options,
                                  const text::TokenSequences& sequences,
                                  const model::WalkOptions& walk_options,
                                  const model::WalkResources& resources) {
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  return SplitByEnergy(model, sequences, options, walk_options, resources);
}

absl::StatusOr<EnergySplit> Split(const EnergySplitOptions& options) {
  WalkMachine machine;
  return Split(options, EightSequences(kFixture), {}, machine.resources());
}

std::vector<float> GateValues(const EnergySplit& split) {
  std::vector<float> values;
  for (const base::Matrix<float>& layer : split.gate_weights.layers) {
    values.insert(values.end(), layer.values().begin(), layer.values().end());
  }
  return values;
}

model::HiddenStates RowsOf(const std::vector<float>& values, int64_t num_rows,
                           base::MemoryBudget& budget) {
  const auto cols = static_cast<int64_t>(values.size()) / num_rows;
  model::HiddenStates rows =
      model::HiddenStates::Create(num_rows, cols, budget, "").value();
  base::Matrix<float> buffer;
  EXPECT_TRUE(
      rows.StoreCopy(
              0, base::MatrixView<const float>(values.data(), num_rows, cols),
              buffer)
          .ok());
  return rows;
}

TEST(SplitByEnergyTest, SplitsEveryLayerByItsOwnTokens) {
  const EnergySplitOptions options = Options();
  MOE_ASSERT_OK_AND_ASSIGN(const EnergySplit split, Split(options));
  ASSERT_EQ(split.layers.size(), 4u);
  WalkMachine machine;
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  const text::TokenSequences sequences =
      model::InCanonicalOrder(EightSequences(kFixture));
  GatheringTap tap;
  MOE_ASSERT_OK(
      model::WalkForward(model, sequences, {}, &tap, machine.resources())
          .status());
  const int64_t num_tokens = sequences.num_tokens();
  for (int64_t l = 0; l < 4; ++l) {
    const GatheringTap::Layer& seen = tap.layers[static_cast<size_t>(l)];
    model::HiddenStates inputs =
        RowsOf(seen.inputs, num_tokens, machine.budget);
    model::HiddenStates energies =
        RowsOf(seen.activations, num_tokens, machine.budget);
    const std::vector<float> weights =
        TokenWeights(seen.norms, 128, model.config().rms_norm_eps);
    const std::vector<float> down = model::ToFloats(
        model::ReadWeight(model.checkpoint(),
                          {checkpoint::TensorKind::kMlpDown, l, -1, false})
            .value());
    std::vector<double> norms(384);
    for (size_t i = 0; i < down.size(); ++i) {
      norms[i % 384] += double{down[i]} * double{down[i]};
    }
    const std::vector<double> totals =
        TakeEnergies(energies, weights, norms, machine.pool).value();
    MOE_ASSERT_OK_AND_ASSIGN(
        const gates::ClusteringMemory memory,
        gates::ClusteringMemory::Reserve(
            {num_tokens, 128, 2}, StartClustering(options), machine.budget));
    const base::Matrix<float> start =
        StartRouter(inputs, options, absl::StrCat("split_energy/layer/", l),
                    {memory, machine.budget, "", machine.pool})
            .value();
    MOE_ASSERT_OK_AND_ASSIGN(
        const EnergyLayer want,
        SplitLayerByEnergy({inputs, energies, weights, totals}, start.view(),
                           options, 24, machine.pool));
    EXPECT_TRUE(BitsEqual<float>(
        split.gate_weights.layers[static_cast<size_t>(l)].values(),
        want.router.values()));
    EXPECT_EQ(split.neuron_indices.layers[static_cast<size_t>(l)],
              want.indices);
    EXPECT_EQ(split.layers[static_cast<size_t>(l)].captured, want.captured);
  }
}

TEST(SplitByEnergyTest, MakesArtifactsThatFitTheModel) {
  EnergySplitOptions options = Options();
  MOE_ASSERT_OK_AND_ASSIGN(EnergySplit split, Split(options));
  MOE_EXPECT_OK(checkpoint::ValidateGateWeights(split.gate_weights,
                                                {4, 14, 128}, "gates"));
  MOE_EXPECT_OK(checkpoint::ValidateNeuronIndices(
      split.neuron_indices, {4, 14, 384, /*residual=*/true, /*shared=*/false},
      "neurons"));
  options.set_num_shared_neurons(0);
  options.set_num_experts(16);
  options.set_expert_size(24);
  MOE_ASSERT_OK_AND_ASSIGN(split, Split(options));
  MOE_EXPECT_OK(checkpoint::ValidateNeuronIndices(
      split.neuron_indices, {4, 16, 384, /*residual=*/false, /*shared=*/false},
      "neurons"));
}

TEST(SplitByEnergyTest, TheOrderOfSequencesChangesNothing) {
  const text::TokenSequences sequences = EightSequences(kFixture);
  text::TokenSequences other;
  for (const int64_t s : {5, 0, 7, 2, 1, 6, 4, 3}) {
    other.Append(sequences.input_ids(s), sequences.input_ids(s));
  }
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(const EnergySplit want, Split(Options()));
  MOE_ASSERT_OK_AND_ASSIGN(const EnergySplit got,
                           Split(Options(), other, {}, machine.resources()));
  EXPECT_TRUE(BitsEqual<float>(GateValues(got), GateValues(want)));
  EXPECT_EQ(got.neuron_indices, want.neuron_indices);
}

struct BadOptions {
  int64_t num_experts, num_shared, top_k, expert_size;  // 0: not set.
  std::string message;
};

TEST(SplitByEnergyTest, RefusesOptionsBeforeTheWalk) {
  const BadOptions cases[] = {
      {0, 48, 1, 0, "num_experts: expected"},
      {1025, 48, 1, 0, "num_experts: expected 1 to 1024, found 1025"},
      {14, 48, 0, 0, "top_k: expected"},
      {14, 48, 15, 0, "top_k: expected at most num_experts, 14, found 15"},
      {14, 384, 1, 0,
       "num_shared_neurons: expected fewer than the intermediate size, 384, "
       "found 384"},
      {14, 50, 1, 0,
       "num_experts: expected a divisor of 334, the neurons that 50 shared "
       "ones leave of 384, found 14"},
      {14, 48, 1, 25,
       "expert_size: expected that 48 shared neurons and 14 experts take all "
       "384 neurons, found experts of 25"},
      {184, 200, 1, 0,
       "num_experts: expected at most 166, the number of tokens, found 184"},
      {92, 200, 1, 0,
       "num_shared_neurons: expected at most 166, the number of tokens, found "
       "200"},
  };
  for (const BadOptions& bad : cases) {
    EnergySplitOptions options;
    if (bad.num_experts > 0) options.set_num_experts(bad.num_experts);
    options.set_num_shared_neurons(bad.num_shared);
    if (bad.top_k > 0) options.set_top_k(bad.top_k);
    if (bad.expert_size > 0) options.set_expert_size(bad.expert_size);
    EXPECT_THAT(
        Split(options).status(),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)));
  }
}

TEST(SplitByEnergyTest, NamesTheLayerThatNeedsARidge) {
  EnergySplitOptions options = Options();
  options.set_ridge(0.0);
  options.set_num_shared_neurons(34);
  options.set_num_experts(7);
  text::TokenSequences few;  // 48 tokens for 128 features.
  const text::TokenSequences sequences = EightSequences(kFixture);
  few.Append(sequences.input_ids(0), sequences.input_ids(0));
  WalkMachine machine;
  EXPECT_THAT(
      Split(options, few, {}, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("layer 0: the router's normal equations"),
                     HasSubstr("48 tokens for 128 features"),
                     HasSubstr("raise ridge"))));
}

TEST(SplitByEnergyTest, SaysWhatBudgetWouldDo) {
  WalkMachine machine(1, 1000);
  EXPECT_THAT(
      Split(Options(), EightSequences(kFixture), {}, machine.resources())
          .status(),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr("--memory_budget=")));
}

using EnergySplitBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(EnergySplitBitsTest, GoldenForAllBudgets) {
  const base::testing::TempDirectory directory;
  model::WalkOptions options;
  options.spill_directory = directory.path();
  options.keep_weights = false;
  const auto run = [&](int64_t budget_bytes) -> absl::Status {
    WalkMachine machine(1, budget_bytes);
    MOE_ASSIGN_OR_RETURN(const EnergySplit split,
                         Split(Options(), EightSequences(kFixture), options,
                               {machine.budget, pool(), machine.progress}));
    std::vector<int64_t> neurons;
    for (const checkpoint::LayerNeuronIndices& layer :
         split.neuron_indices.layers) {
      neurons.insert(neurons.end(), layer.experts.values().begin(),
                     layer.experts.values().end());
      neurons.insert(neurons.end(), layer.residual->begin(),
                     layer.residual->end());
    }
    // Computed on the first machine: pins the bits everywhere.
    EXPECT_EQ(Digest<float>(GateValues(split)), "35201026b44832c6");
    EXPECT_EQ(Digest<int64_t>(neurons), "1450a3b6afa32d0c");
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(run(base::MemoryBudget::kUnlimited));
  SmallestBudget(run);
}

INSTANTIATE_TEST_SUITE_P(All, EnergySplitBitsTest,
                         ValuesIn(FewKernelMachines()), KernelMachineName);

}  // namespace
}  // namespace moe::reconstruct
