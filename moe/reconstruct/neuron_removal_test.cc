#include "moe/reconstruct/neuron_removal.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/testing/tiny_checkpoint.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/energy_split.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/reconstruct/neuron_removal_options.pb.h"
#include "moe/reconstruct/testing/gathering_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::Numbers;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::WriteTinyModel;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::model::testing::EightSequences;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::moe::reconstruct::testing::GatheringTap;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

// 4 layers, hidden size 128, intermediate size 384.
constexpr char kFixture[] = "llama_gqa_bf16";

NeuronRemovalOptions Keeping(int64_t num_neurons) {
  NeuronRemovalOptions options;
  options.set_num_neurons(num_neurons);
  return options;
}

// The ids are those of a tiny model's vocabulary of 8.
text::TokenSequences TinySequences() {
  text::TokenSequences sequences;
  for (const std::vector<int32_t>& ids :
       {std::vector<int32_t>{1, 5, 2, 7, 0, 3, 3}, {4, 6, 1}, {2}, {7, 0}}) {
    sequences.Append(ids, ids);
  }
  return sequences;
}

absl::StatusOr<NeuronRemoval> Choose(const std::string& directory,
                                     const text::TokenSequences& sequences,
                                     int64_t num_neurons) {
  WalkMachine machine;
  model::DenseModel model = model::DenseModel::Open(directory).value();
  return ChooseNeurons(model, sequences, Keeping(num_neurons), {},
                       machine.resources());
}

absl::StatusOr<NeuronRemoval> ChooseOfFixture(int64_t num_neurons) {
  return Choose(FixturePath(kFixture), EightSequences(kFixture), num_neurons);
}

// The energies of a layer's neurons by their definition, [I].
std::vector<double> PlainEnergies(const GatheringTap::Layer& seen,
                                  const std::vector<float>& down,
                                  const TinyModel& model, double epsilon) {
  const auto num_neurons = static_cast<size_t>(model.intermediate_size);
  const size_t num_tokens = seen.norms.size();
  std::vector<double> weights;
  double sum = 0.0;
  for (const double norm : seen.norms) {
    weights.push_back(
        1.0 / (norm / static_cast<double>(model.hidden_size) + epsilon));
    sum += weights.back();
  }
  std::vector<double> energies(num_neurons);
  for (size_t n = 0; n < num_neurons; ++n) {
    double norm = 0.0;
    for (size_t r = n; r < down.size(); r += num_neurons) {
      norm += double{down[r]} * double{down[r]};
    }
    for (size_t t = 0; t < num_tokens; ++t) {
      const double h = seen.activations[t * num_neurons + n];
      energies[n] +=
          static_cast<double>(num_tokens) * weights[t] / sum * h * h * norm;
    }
  }
  return energies;
}

// The best neuron that is left, again and again.
std::vector<int64_t> PlainLargest(std::vector<double> energies,
                                  int64_t num_neurons) {
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < num_neurons; ++i) {
    size_t best = 0;
    for (size_t n = 1; n < energies.size(); ++n) {
      if (energies[n] > energies[best]) best = n;
    }
    kept.push_back(static_cast<int64_t>(best));
    energies[best] = -1.0;
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

TEST(ChooseNeuronsTest, KeepsTheNeuronsWithTheMostEnergy) {
  const TinyModel tiny;
  const TempDirectory directory;
  WriteTinyModel(tiny, directory.path());
  WalkMachine machine;
  model::DenseModel model = model::DenseModel::Open(directory.path()).value();
  GatheringTap tap;
  MOE_ASSERT_OK(model::WalkForward(model,
                                   model::InCanonicalOrder(TinySequences()), {},
                                   &tap, machine.resources())
                    .status());
  for (const int64_t num_neurons : {1, 9, 23}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const NeuronRemoval removal,
        Choose(directory.path(), TinySequences(), num_neurons));
    ASSERT_EQ(removal.kept.size(), 3u);
    for (size_t l = 0; l < 3; ++l) {
      const std::vector<float> down =
          model::ToFloats(model::ReadWeight(model.checkpoint(),
                                            {checkpoint::TensorKind::kMlpDown,
                                             static_cast<int64_t>(l)})
                              .value());
      const std::vector<double> energies =
          PlainEnergies(tap.layers[l], down, tiny, model.config().rms_norm_eps);
      const std::vector<int64_t> want = PlainLargest(energies, num_neurons);
      EXPECT_EQ(removal.kept[l], want) << l;
      double kept = 0.0, all = 0.0;
      for (const int64_t n : want) kept += energies[static_cast<size_t>(n)];
      for (const double energy : energies) all += energy;
      EXPECT_NEAR(removal.energies[l].kept, kept, 1e-6 * all);
      EXPECT_NEAR(removal.energies[l].removed, all - kept, 1e-6 * all);
      EXPECT_NEAR(removal.energies[l].largest_kept,
                  *std::max_element(energies.begin(), energies.end()),
                  1e-6 * all);
      EXPECT_GE(removal.energies[l].least_kept,
                removal.energies[l].largest_removed);
    }
  }
}

TEST(ChooseNeuronsTest, KeepsAllInTheirOrder) {
  MOE_ASSERT_OK_AND_ASSIGN(const NeuronRemoval removal, ChooseOfFixture(384));
  const std::vector<int64_t> all = Numbers(0, 384);
  EXPECT_THAT(removal.kept, ElementsAre(all, all, all, all));
  for (const KeptEnergy& energy : removal.energies) {
    EXPECT_GT(energy.kept, 0.0);
    EXPECT_EQ(energy.removed, 0.0);
    EXPECT_EQ(energy.largest_removed, 0.0);
  }
}

TEST(ChooseNeuronsTest, KeepsWhatAnEnergySplitWouldShare) {
  EnergySplitOptions options;
  options.set_num_experts(6);
  options.set_num_shared_neurons(96);
  options.set_top_k(1);
  options.set_iterations(1);
  WalkMachine machine;
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  MOE_ASSERT_OK_AND_ASSIGN(const EnergySplit split,
                           SplitByEnergy(model, EightSequences(kFixture),
                                         options, {}, machine.resources()));
  MOE_ASSERT_OK_AND_ASSIGN(const NeuronRemoval removal, ChooseOfFixture(96));
  for (size_t l = 0; l < 4; ++l) {
    EXPECT_EQ(removal.kept[l], split.neuron_indices.layers[l].residual);
    EXPECT_EQ(removal.energies[l].kept, split.layers[l].shared);
    EXPECT_EQ(removal.energies[l].removed, split.layers[l].routed);
  }
}

// Neuron n + 12 is made neuron n, for n < 12.
TEST(ChooseNeuronsTest, TiesGoToTheLowestIndex) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.path());
  checkpoint::HostTensors tensors = ReadTensors(directory.path());
  for (auto& [name, tensor] : tensors) {
    if (name.find(".mlp.") == std::string::npos) continue;
    // Of BF16; a matrix of 24 rows, or of 24 columns.
    const bool is_down = name.find("down_proj") != std::string::npos;
    const size_t half = is_down ? 24 : 12 * 16 * 2;
    for (size_t at = 0; at < tensor.bytes.size(); at += 2 * half) {
      tensor.bytes.replace(at + half, half, tensor.bytes.substr(at, half));
    }
  }
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      directory.Path("model.safetensors"), tensors, {{"format", "pt"}},
      /*overwrite=*/true));
  MOE_ASSERT_OK_AND_ASSIGN(const NeuronRemoval removal,
                           Choose(directory.path(), TinySequences(), 7));
  for (const std::vector<int64_t>& kept : removal.kept) {
    // Three pairs, and the first of another one.
    EXPECT_EQ(std::count_if(kept.begin(), kept.end(),
                            [](int64_t n) { return n < 12; }),
              4);
    for (const int64_t n : kept) {
      EXPECT_THAT(kept, Contains(n % 12));
    }
  }
}

TEST(ChooseNeuronsTest, TheOrderOfSequencesChangesNothing) {
  const text::TokenSequences sequences = EightSequences(kFixture);
  text::TokenSequences other;
  for (const int64_t s : {5, 0, 7, 2, 1, 6, 4, 3}) {
    other.Append(sequences.input_ids(s), sequences.input_ids(s));
  }
  MOE_ASSERT_OK_AND_ASSIGN(const NeuronRemoval want, ChooseOfFixture(100));
  MOE_ASSERT_OK_AND_ASSIGN(const NeuronRemoval got,
                           Choose(FixturePath(kFixture), other, 100));
  EXPECT_EQ(got.kept, want.kept);
  for (size_t l = 0; l < 4; ++l) {
    EXPECT_EQ(got.energies[l].kept, want.energies[l].kept);
  }
}

TEST(ChooseNeuronsTest, RefusesNumbersOfNeuronsByName) {
  EXPECT_THAT(ChooseOfFixture(0).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_neurons: expected 1 or more, found 0")));
  EXPECT_THAT(
      ChooseOfFixture(385).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("num_neurons: expected at most the intermediate "
                         "size, 384, found 385")));
}

TEST(ChooseNeuronsTest, RefusesSequencesThatItCannotWalk) {
  EXPECT_THAT(Choose(FixturePath(kFixture), text::TokenSequences(), 8).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("found no sequence")));
  text::TokenSequences sequences = EightSequences(kFixture);
  sequences.Append(std::vector<int32_t>{1, 1 << 20},
                   std::vector<int32_t>{1, 1 << 20});
  EXPECT_THAT(Choose(FixturePath(kFixture), sequences, 8).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("sequence 8"), HasSubstr("1048576"))));
}

TEST(ChooseNeuronsTest, NamesTheLayerWhoseEnergiesAreTooLarge) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.path());
  checkpoint::HostTensors tensors = ReadTensors(directory.path());
  for (const char* const name : {"gate_proj", "up_proj", "down_proj"}) {
    checkpoint::HostTensor& tensor =
        tensors.at("model.layers.1.mlp." + std::string(name) + ".weight");
    std::vector<float> values = model::ToFloats(tensor);
    for (float& value : values) value *= 1e7f;
    checkpoint::FloatToWeights(tensor.dtype, values,
                               absl::MakeSpan(tensor.bytes));
  }
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      directory.Path("model.safetensors"), tensors, {{"format", "pt"}},
      /*overwrite=*/true));
  EXPECT_THAT(Choose(directory.path(), TinySequences(), 8).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("layer 1: energy of neuron "),
                             HasSubstr("expected finite numbers"))));
}

TEST(ChooseNeuronsTest, SaysWhatBudgetWouldDo) {
  WalkMachine machine(1, 1000);
  model::DenseModel model =
      model::DenseModel::Open(FixturePath(kFixture)).value();
  EXPECT_THAT(ChooseNeurons(model, EightSequences(kFixture), Keeping(8), {},
                            machine.resources())
                  .status(),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("--memory_budget=")));
}

using NeuronRemovalBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(NeuronRemovalBitsTest, GoldenForAllBudgets) {
  const TempDirectory directory;
  model::WalkOptions options;
  options.spill_directory = directory.path();
  options.keep_weights = false;
  const auto run = [&](int64_t budget_bytes) -> absl::Status {
    WalkMachine machine(1, budget_bytes);
    model::DenseModel model =
        model::DenseModel::Open(FixturePath(kFixture)).value();
    MOE_ASSIGN_OR_RETURN(
        const NeuronRemoval removal,
        ChooseNeurons(model, EightSequences(kFixture), Keeping(100), options,
                      {machine.budget, pool(), machine.progress}));
    std::vector<int64_t> neurons;
    std::vector<double> energies;
    for (size_t l = 0; l < removal.kept.size(); ++l) {
      neurons.insert(neurons.end(), removal.kept[l].begin(),
                     removal.kept[l].end());
      const KeptEnergy& energy = removal.energies[l];
      energies.insert(energies.end(),
                      {energy.kept, energy.removed, energy.least_kept,
                       energy.largest_kept, energy.largest_removed});
    }
    // Computed on the first machine: pins the bits everywhere.
    EXPECT_EQ(Digest<int64_t>(neurons), "339b80dd7d308341");
    EXPECT_EQ(Digest<double>(energies), "0bb39db14bf0e0ea");
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(run(base::MemoryBudget::kUnlimited));
  SmallestBudget(run);
}

INSTANTIATE_TEST_SUITE_P(All, NeuronRemovalBitsTest,
                         ValuesIn(FewKernelMachines()), KernelMachineName);

}  // namespace
}  // namespace moe::reconstruct
