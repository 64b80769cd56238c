#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/gates/mlp_inputs.h"
#include "moe/gates/random_selection_options.pb.h"
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

RandomSelectionOptions Options(int64_t num_experts, int64_t seed) {
  RandomSelectionOptions options;
  options.set_num_experts(num_experts);
  options.set_seed(seed);
  return options;
}

absl::StatusOr<RandomSelection> Select(const text::TokenSequences& sequences,
                                       const RandomSelectionOptions& options,
                                       const model::WalkOptions& walk_options,
                                       const model::WalkResources& resources) {
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  return SelectHiddenStates(model, sequences, options, walk_options, resources);
}

TEST(SelectHiddenStatesTest, RowsAreTheInputsOfTheTokensThatItNames) {
  WalkMachine machine;
  const text::TokenSequences sequences = EightSequences(kFixture);
  MOE_ASSERT_OK_AND_ASSIGN(
      const RandomSelection selection,
      Select(sequences, Options(6, 3), {}, machine.resources()));
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  const auto compare = [&](int64_t layer,
                           model::HiddenStates& x) -> absl::Status {
    const auto l = static_cast<size_t>(layer);
    const SelectedLayer& selected = selection.layers[l];
    EXPECT_EQ(std::accumulate(selected.routed_counts.begin(),
                              selected.routed_counts.end(), int64_t{0}),
              sequences.num_tokens());
    std::set<std::vector<float>> rows;
    base::Matrix<float> buffer;
    for (int64_t e = 0; e < 6; ++e) {
      const int64_t token = selected.tokens[static_cast<size_t>(e)];
      const auto want = x.Load(token, token + 1, buffer).value().Row(0);
      const auto got = selection.gate_weights.layers[l].Row(e);
      EXPECT_EQ(got, want);
      rows.insert({got.begin(), got.end()});
    }
    EXPECT_EQ(rows.size(), 6);
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(
      ForEachMlpInputs(model, sequences, {}, machine.resources(), compare));
  EXPECT_EQ(selection.layers.size(), 4);
  // Each layer and each seed draws its own.
  EXPECT_NE(selection.layers[0].tokens, selection.layers[1].tokens);
  MOE_ASSERT_OK_AND_ASSIGN(
      const RandomSelection other,
      Select(sequences, Options(6, 4), {}, machine.resources()));
  EXPECT_NE(selection.layers[0].tokens, other.layers[0].tokens);
}

// The same sequence again and again: only its own tokens differ.
text::TokenSequences Copies(int64_t length, int64_t count) {
  text::TokenSequences copies;
  const text::TokenSequences eight = EightSequences(kFixture);
  const auto ids = eight.input_ids(0).first(static_cast<size_t>(length));
  for (int64_t i = 0; i < count; ++i) copies.Append(ids, ids);
  return copies;
}

TEST(SelectHiddenStatesTest, PassesOverTokensThatAreTheSame) {
  WalkMachine machine;
  // 5 different x_t, each 40 times: all five are found.
  MOE_ASSERT_OK_AND_ASSIGN(
      const RandomSelection selection,
      Select(Copies(5, 40), Options(5, 0), {}, machine.resources()));
  for (const SelectedLayer& layer : selection.layers) {
    std::set<int64_t> places;
    for (const int64_t token : layer.tokens) places.insert(token % 5);
    EXPECT_EQ(places.size(), 5);
  }
  EXPECT_THAT(
      Select(Copies(5, 40), Options(6, 0), {}, machine.resources()).status(),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("layer 0: num_experts: expected at most 5, the different "
                    "hidden states of 200 tokens, found 6")));
}

TEST(SelectHiddenStatesTest, RefusesOptionsBeforeTheWalk) {
  WalkMachine machine;
  EXPECT_THAT(
      Select(Copies(2, 1), Options(3, 0), {}, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected at most 2, the number of tokens, found 3")));
  EXPECT_THAT(
      Select(Copies(2, 1), Options(0, 0), {}, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("num_experts: expected 1 to 1024, found 0")));
  EXPECT_THAT(
      Select(Copies(2, 1), Options(1, -1), {}, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("seed: expected 0 or more, found -1")));
}

using RandomSelectionBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(RandomSelectionBitsTest, GoldenForAllBudgets) {
  const base::testing::TempDirectory directory;
  model::WalkOptions options;
  options.spill_directory = directory.path();
  options.keep_weights = false;
  RandomSelection selection;
  const auto run = [&](int64_t budget_bytes) -> absl::Status {
    WalkMachine machine(1, budget_bytes);
    MOE_ASSIGN_OR_RETURN(
        selection, Select(EightSequences(kFixture), Options(8, 42), options,
                          {machine.budget, pool(), machine.progress}));
    std::vector<float> values;
    for (const auto& layer : selection.gate_weights.layers) {
      values.insert(values.end(), layer.values().begin(), layer.values().end());
    }
    // Computed on the first machine: pins the bits everywhere.
    EXPECT_EQ(Digest<float>(values), "6ef3d4ab1892934d");
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(run(base::MemoryBudget::kUnlimited));
  SmallestBudget(run);
}

INSTANTIATE_TEST_SUITE_P(All, RandomSelectionBitsTest,
                         ValuesIn(FewKernelMachines()), KernelMachineName);

}  // namespace
}  // namespace moe::gates
