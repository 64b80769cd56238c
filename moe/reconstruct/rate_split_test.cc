#include "moe/reconstruct/rate_split.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/rate_layer.h"
#include "moe/reconstruct/rate_split_options.pb.h"
#include "moe/reconstruct/testing/gathering_tap.h"
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
using ::testing::HasSubstr;
using ::testing::ValuesIn;

// 4 layers, hidden size 128, intermediate size 384.
constexpr char kFixture[] = "llama_gqa_bf16";

// 48 shared neurons and 14 experts of 24.
ActivationRateSplitOptions Options() {
  ActivationRateSplitOptions options;
  options.set_num_experts(14);
  options.set_num_shared_neurons(48);
  options.set_top_k(3);
  return options;
}

absl::StatusOr<ActivationRateSplit> Split(
    const ActivationRateSplitOptions& options,
    const text::TokenSequences& sequences,
    const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  return SplitByActivationRate(model, sequences, options, walk_options,
                               resources);
}

absl::StatusOr<ActivationRateSplit> Split(
    const ActivationRateSplitOptions& options) {
  WalkMachine machine;
  return Split(options, EightSequences(kFixture), {}, machine.resources());
}

std::vector<float> GateValues(const ActivationRateSplit& split) {
  std::vector<float> values;
  for (const base::Matrix<float>& layer : split.gate_weights.layers) {
    values.insert(values.end(), layer.values().begin(), layer.values().end());
  }
  return values;
}

using Rows = std::vector<std::vector<float>>;

// Rows of `width` values that lie one after another.
Rows Cut(const std::vector<float>& values, int64_t width) {
  Rows rows;
  for (auto row = values.begin(); row != values.end(); row += width) {
    rows.emplace_back(row, row + width);
  }
  return rows;
}

// The `count` largest, by (value, index).
std::vector<int32_t> Largest(const std::vector<float>& values, int64_t count) {
  std::vector<int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(count));
  return order;
}

base::Matrix<int32_t> Activated(const Rows& activations, int64_t count) {
  base::Matrix<int32_t> activated(static_cast<int64_t>(activations.size()),
                                  count);
  for (size_t t = 0; t < activations.size(); ++t) {
    std::vector<float> magnitudes = activations[t];
    for (float& h : magnitudes) h = std::abs(h);
    const std::vector<int32_t> largest = Largest(magnitudes, count);
    std::copy(largest.begin(), largest.end(),
              activated.view().RowData(static_cast<int64_t>(t)));
  }
  return activated;
}

// The logits of a token. Blocks of 256 are one chain: H is 128.
std::vector<float> Logits(const std::vector<float>& x,
                          const base::Matrix<float>& router) {
  std::vector<float> logits;
  for (int64_t e = 0; e < router.rows(); ++e) {
    float logit = 0.0f;
    for (size_t h = 0; h < x.size(); ++h) {
      logit = std::fma(x[h], router.Row(e)[h], logit);
    }
    logits.push_back(logit);
  }
  return logits;
}

TEST(SplitByActivationRateTest, SplitsEveryLayerByItsOwnTokens) {
  ActivationRateSplitOptions options = Options();
  // Large enough that no two probabilities are the same.
  options.set_router_scale(0.5);
  options.set_activated_neurons(12);
  MOE_ASSERT_OK_AND_ASSIGN(const ActivationRateSplit split, Split(options));
  ASSERT_EQ(split.layers.size(), 4u);
  WalkMachine machine;
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  GatheringTap tap;
  MOE_ASSERT_OK(model::WalkForward(
                    model, model::InCanonicalOrder(EightSequences(kFixture)),
                    {}, &tap, machine.resources())
                    .status());
  for (size_t l = 0; l < 4; ++l) {
    const Rows inputs = Cut(tap.layers[l].inputs, 128);
    const Rows activations = Cut(tap.layers[l].activations, 384);
    MOE_ASSERT_OK_AND_ASSIGN(
        const ActivationRateLayer want,
        SplitLayerByActivationRate(Activated(activations, 12), 384, options, 24,
                                   machine.pool));
    const ActivationRateSplitLayer& got = split.layers[l];
    EXPECT_EQ(split.neuron_indices.layers[l], want.indices);
    EXPECT_EQ(got.representatives, want.representatives);
    EXPECT_EQ(got.spread, want.spread);
    EXPECT_EQ(got.routed, want.routed);
    EXPECT_EQ(got.shared, want.shared);
    // Each row of the router is half its representative's row of gate_proj.
    const std::vector<float> gate =
        model::ToFloats(model::ReadWeight(model.checkpoint(),
                                          {checkpoint::TensorKind::kMlpGate,
                                           static_cast<int64_t>(l), -1, false})
                            .value());
    const base::Matrix<float>& router = split.gate_weights.layers[l];
    for (int64_t e = 0; e < 14; ++e) {
      const auto row = static_cast<size_t>(
          want.representatives[static_cast<size_t>(e)] * 128);
      for (size_t h = 0; h < 128; ++h) {
        ASSERT_EQ(router.Row(e)[h], 0.5f * gate[row + h]);
      }
    }
    std::vector<int64_t> loads(14);
    int64_t captured = 0, oracle = 0;
    for (size_t t = 0; t < inputs.size(); ++t) {
      const std::vector<float> counts(
          want.counts.Row(static_cast<int64_t>(t)).begin(),
          want.counts.Row(static_cast<int64_t>(t)).end());
      for (const int32_t e : Largest(Logits(inputs[t], router), 3)) {
        ++loads[static_cast<size_t>(e)];
        captured += static_cast<int64_t>(counts[static_cast<size_t>(e)]);
      }
      for (const int32_t e : Largest(counts, 3)) {
        oracle += static_cast<int64_t>(counts[static_cast<size_t>(e)]);
      }
    }
    EXPECT_EQ(got.loads, loads);
    EXPECT_EQ(got.captured, captured);
    EXPECT_EQ(got.oracle, oracle);
    EXPECT_LT(captured, oracle);
  }
}

TEST(SplitByActivationRateTest, MakesArtifactsThatFitTheModel) {
  ActivationRateSplitOptions options = Options();
  MOE_ASSERT_OK_AND_ASSIGN(ActivationRateSplit split, Split(options));
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

TEST(SplitByActivationRateTest, TheOrderOfSequencesChangesNothing) {
  const text::TokenSequences sequences = EightSequences(kFixture);
  text::TokenSequences other;
  for (const int64_t s : {5, 0, 7, 2, 1, 6, 4, 3}) {
    other.Append(sequences.input_ids(s), sequences.input_ids(s));
  }
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(const ActivationRateSplit want, Split(Options()));
  MOE_ASSERT_OK_AND_ASSIGN(const ActivationRateSplit got,
                           Split(Options(), other, {}, machine.resources()));
  EXPECT_TRUE(BitsEqual<float>(GateValues(got), GateValues(want)));
  EXPECT_EQ(got.neuron_indices, want.neuron_indices);
}

struct BadOptions {
  int64_t num_experts, num_shared, top_k, expert_size, activated;  // 0: unset.
  std::string message;
};

TEST(SplitByActivationRateTest, RefusesOptionsBeforeTheWalk) {
  const BadOptions cases[] = {
      {0, 48, 1, 0, 0, "num_experts: expected"},
      {1025, 48, 1, 0, 0, "num_experts: expected 1 to 1024, found 1025"},
      {14, 48, 0, 0, 0, "top_k: expected"},
      {14, 48, 15, 0, 0, "top_k: expected at most num_experts, 14, found 15"},
      {14, 48, 1, 0, -1, "activated_neurons: expected"},
      {14, 48, 1, 0, 385,
       "activated_neurons: expected at most the intermediate size, 384, found "
       "385"},
      {14, 384, 1, 0, 0,
       "num_shared_neurons: expected fewer than the intermediate size, 384, "
       "found 384"},
      {14, 50, 1, 0, 0,
       "num_experts: expected a divisor of 334, the neurons that 50 shared "
       "ones leave of 384, found 14"},
      {14, 48, 1, 25, 0,
       "expert_size: expected that 48 shared neurons and 14 experts take all "
       "384 neurons, found experts of 25"},
      {184, 200, 1, 0, 0,
       "num_experts: expected at most 166, the number of tokens, found 184"},
      {92, 200, 1, 0, 0,
       "num_shared_neurons: expected at most 166, the number of tokens, found "
       "200"},
  };
  for (const BadOptions& bad : cases) {
    ActivationRateSplitOptions options;
    if (bad.num_experts > 0) options.set_num_experts(bad.num_experts);
    options.set_num_shared_neurons(bad.num_shared);
    if (bad.top_k > 0) options.set_top_k(bad.top_k);
    if (bad.expert_size > 0) options.set_expert_size(bad.expert_size);
    if (bad.activated != 0) options.set_activated_neurons(bad.activated);
    EXPECT_THAT(
        Split(options).status(),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)));
  }
}

TEST(SplitByActivationRateTest, SaysWhatBudgetWouldDo) {
  WalkMachine machine(1, 1000);
  EXPECT_THAT(
      Split(Options(), EightSequences(kFixture), {}, machine.resources())
          .status(),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr("--memory_budget=")));
}

using RateSplitBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(RateSplitBitsTest, GoldenForAllBudgets) {
  const base::testing::TempDirectory directory;
  model::WalkOptions options;
  options.spill_directory = directory.path();
  options.keep_weights = false;
  const auto run = [&](int64_t budget_bytes) -> absl::Status {
    WalkMachine machine(1, budget_bytes);
    MOE_ASSIGN_OR_RETURN(const ActivationRateSplit split,
                         Split(Options(), EightSequences(kFixture), options,
                               {machine.budget, pool(), machine.progress}));
    std::vector<int64_t> neurons, counts;
    for (const checkpoint::LayerNeuronIndices& layer :
         split.neuron_indices.layers) {
      neurons.insert(neurons.end(), layer.experts.values().begin(),
                     layer.experts.values().end());
      neurons.insert(neurons.end(), layer.residual->begin(),
                     layer.residual->end());
    }
    for (const ActivationRateSplitLayer& layer : split.layers) {
      counts.insert(counts.end(), layer.loads.begin(), layer.loads.end());
      counts.push_back(layer.captured);
    }
    // Computed on the first machine: pins the bits everywhere.
    EXPECT_EQ(Digest<float>(GateValues(split)), "6524f96bdfd45790");
    EXPECT_EQ(Digest<int64_t>(neurons), "e009b5f1f993976f");
    EXPECT_EQ(Digest<int64_t>(counts), "6d59dfd1895cec3c");
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(run(base::MemoryBudget::kUnlimited));
  SmallestBudget(run);
}

INSTANTIATE_TEST_SUITE_P(All, RateSplitBitsTest, ValuesIn(FewKernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::reconstruct
