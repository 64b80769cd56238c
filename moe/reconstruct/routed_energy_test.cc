#include "moe/reconstruct/routed_energy.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/mlp_block.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/block_features.h"
#include "moe/reconstruct/reconstruct_model.h"
#include "moe/reconstruct/reconstructed_checkpoint.h"
#include "moe/reconstruct/testing/converted_case.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::kernels::testing::TestMatrix;
using ::moe::model::testing::WalkMachine;
using ::moe::reconstruct::testing::ConvertedCase;
using ::moe::reconstruct::testing::DrawnSequences;
using ::moe::reconstruct::testing::WriteConverted;
using ::testing::AllOf;
using ::testing::HasSubstr;

// kDenseF32's.
constexpr size_t kHidden = 64;
constexpr double kEpsilon = 1e-5;

// ---- A reconstruction, against plain loops ----

// What goes into the MLPs of a model, layer by layer, and what comes out of its
// layers.
class Seen : public model::WalkTap {
 public:
  struct Layer {
    std::vector<float> inputs;                 // m [T, H]
    std::vector<std::vector<size_t>> experts;  // By token.
    std::vector<double> squared_norms;         // Behind the layer, [T].
  };
  std::vector<Layer> layers;

  absl::Status OnLayerStart(int64_t) override {
    layers.emplace_back();
    return absl::OkStatus();
  }
  absl::Status OnMlpInput(const model::TapContext&,
                          base::MatrixView<const float> rows) override {
    for (int64_t r = 0; r < rows.rows; ++r) {
      layers.back().inputs.insert(layers.back().inputs.end(),
                                  rows.Row(r).begin(), rows.Row(r).end());
    }
    layers.back().experts.resize(layers.back().inputs.size() / kHidden);
    return absl::OkStatus();
  }
  absl::Status OnRouting(
      const model::TapContext& context, model::DecoderBlock,
      const std::vector<model::ExpertTokens>& experts) override {
    for (size_t e = 0; e < experts.size(); ++e) {
      for (const int64_t row : experts[e].rows) {
        layers.back()
            .experts[static_cast<size_t>(context.group.first_token + row)]
            .push_back(e);
      }
    }
    return absl::OkStatus();
  }
  absl::Status OnLayerOutput(const model::TapContext&,
                             base::MatrixView<const float> rows) override {
    for (int64_t r = 0; r < rows.rows; ++r) {
      double norm = 0.0;
      for (const float x : rows.Row(r)) norm += double{x} * double{x};
      layers.back().squared_norms.push_back(norm);
    }
    return absl::OkStatus();
  }
};

Seen Walk(const std::string& path, const text::TokenSequences& sequences) {
  WalkMachine machine;
  model::Model model = model::Model::Open(path).value();
  Seen seen;
  EXPECT_TRUE(
      model::WalkForward(model, sequences, {}, &seen, machine.resources())
          .ok());
  return seen;
}

std::vector<float> WeightOf(const std::string& path,
                            const checkpoint::TensorName& name) {
  const checkpoint::Checkpoint checkpoint =
      checkpoint::Checkpoint::Open(path).value();
  return model::ToFloats(model::ReadWeight(checkpoint, name).value());
}

double Dot(const float* a, const float* b) {
  double sum = 0.0;
  for (size_t i = 0; i < kHidden; ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

// sum over the neurons n of one expert of h_tn^2 |d_n|^2, for each token.
std::vector<double> PlainEnergies(const std::string& path, int64_t layer,
                                  int64_t expert,
                                  const std::vector<float>& inputs) {
  const bool is_routed = expert >= 0;
  const std::vector<float> gate =
      WeightOf(path, {is_routed ? checkpoint::TensorKind::kExpertGate
                                : checkpoint::TensorKind::kResidualGate,
                      layer, expert});
  const std::vector<float> up =
      WeightOf(path, {is_routed ? checkpoint::TensorKind::kExpertUp
                                : checkpoint::TensorKind::kResidualUp,
                      layer, expert});
  const std::vector<float> down =
      WeightOf(path, {is_routed ? checkpoint::TensorKind::kExpertDown
                                : checkpoint::TensorKind::kResidualDown,
                      layer, expert});
  const size_t size = gate.size() / kHidden;
  std::vector<double> energies(inputs.size() / kHidden);
  for (size_t t = 0; t < energies.size(); ++t) {
    const float* const m = &inputs[t * kHidden];
    for (size_t n = 0; n < size; ++n) {
      const double g = Dot(&gate[n * kHidden], m);
      const double h = g / (1.0 + std::exp(-g)) * Dot(&up[n * kHidden], m);
      double norm = 0.0;
      for (size_t r = 0; r < kHidden; ++r) {
        norm += double{down[r * size + n]} * double{down[r * size + n]};
      }
      energies[t] += h * h * norm;
    }
  }
  return energies;
}

// The weights 1 / (mean square + epsilon), with mean 1.
std::vector<double> PlainWeights(const std::vector<double>& squared_norms) {
  std::vector<double> weights;
  double sum = 0.0;
  for (const double norm : squared_norms) {
    weights.push_back(1.0 / (norm / static_cast<double>(kHidden) + kEpsilon));
    sum += weights.back();
  }
  for (double& w : weights) w *= static_cast<double>(weights.size()) / sum;
  return weights;
}

RoutedEnergy PlainEnergy(const std::string& path, int64_t layer,
                         const Seen::Layer& seen, const ConvertedCase& c,
                         const std::vector<double>& weights) {
  std::vector<std::vector<double>> by_expert;
  for (int64_t e = 0; e < c.num_experts; ++e) {
    by_expert.push_back(PlainEnergies(path, layer, e, seen.inputs));
  }
  std::vector<double> shared(weights.size());
  if (c.residual) shared = PlainEnergies(path, layer, -1, seen.inputs);
  RoutedEnergy energy;
  for (size_t t = 0; t < weights.size(); ++t) {
    std::vector<double> of_token;
    for (const std::vector<double>& of_expert : by_expert) {
      of_token.push_back(weights[t] * of_expert[t]);
    }
    for (const size_t e : seen.experts[t]) energy.captured += of_token[e];
    std::sort(of_token.begin(), of_token.end(), std::greater<>());
    for (size_t i = 0; i < of_token.size(); ++i) {
      energy.routed += of_token[i];
      if (i < seen.experts[t].size()) energy.oracle += of_token[i];
    }
    energy.shared += weights[t] * shared[t];
  }
  return energy;
}

class ReconstructionEnergyTest : public ::testing::Test {
 protected:
  std::string Converted() const { return directory_.Path("converted"); }
  std::string Made() const { return directory_.Path("made"); }

  // Converts, and reconstructs to Made().
  std::vector<RefittedBlock> Reconstruct(const ConvertedCase& c) {
    WriteConverted(c, Converted());
    WalkMachine machine;
    model::Model dense = model::Model::Open(c.dense).value();
    model::Model converted = model::Model::Open(Converted()).value();
    const Reconstruction made =
        ReconstructModel({dense, converted, DrawnSequences(), {}}, {},
                         machine.resources())
            .value();
    EXPECT_TRUE(WriteReconstructedCheckpoint(converted.checkpoint(),
                                             made.weights, {Made()},
                                             {machine.pool, machine.progress})
                    .ok());
    return made.blocks;
  }

  // The energies of layers with experts, all others have none.
  void ExpectPlainEnergies(const ConvertedCase& c,
                           const std::vector<int64_t>& layers_with_experts) {
    const std::vector<RefittedBlock> blocks = Reconstruct(c);
    const text::TokenSequences sequences =
        model::InCanonicalOrder(DrawnSequences());
    const Seen dense = Walk(c.dense, sequences);
    // What goes into a block is what the blocks before it have become.
    const Seen made = Walk(Made(), sequences);
    std::vector<int64_t> layers;
    for (const RefittedBlock& block : blocks) {
      if (!block.energy.has_value()) continue;
      EXPECT_EQ(block.part, "mlp");
      layers.push_back(block.layer);
      const auto l = static_cast<size_t>(block.layer);
      const RoutedEnergy want =
          PlainEnergy(Converted(), block.layer, made.layers[l], c,
                      PlainWeights(dense.layers[l].squared_norms));
      SCOPED_TRACE(block.layer);
      EXPECT_NEAR(block.energy->captured, want.captured, 1e-5 * want.routed);
      EXPECT_NEAR(block.energy->oracle, want.oracle, 1e-5 * want.routed);
      EXPECT_NEAR(block.energy->routed, want.routed, 1e-5 * want.routed);
      EXPECT_NEAR(block.energy->shared, want.shared, 1e-5 * want.routed);
      EXPECT_EQ(block.energy->shared > 0.0, c.residual);
      // A drawn router is a bad one.
      EXPECT_LT(block.energy->captured, block.energy->oracle);
      EXPECT_LT(block.energy->oracle, block.energy->routed);
    }
    EXPECT_EQ(layers, layers_with_experts);
  }

  const TempDirectory directory_;
};

TEST_F(ReconstructionEnergyTest, IsThatOfPlainLoopsWithAResidualExpert) {
  ExpectPlainEnergies({}, {0, 1, 2});
}

TEST_F(ReconstructionEnergyTest, IsThatOfPlainLoopsWithoutOne) {
  ExpectPlainEnergies({.residual = false, .num_experts = 8, .top_k = 3},
                      {0, 1, 2});
}

TEST_F(ReconstructionEnergyTest, DenseLayersHaveNone) {
  ExpectPlainEnergies({.num_contract = 1}, {1});
}

TEST_F(ReconstructionEnergyTest, AllExpertsCaptureAll) {
  for (const RefittedBlock& block :
       Reconstruct({.num_experts = 4, .top_k = 4})) {
    if (!block.energy.has_value()) continue;
    EXPECT_GT(block.energy->captured, 0.0);
    EXPECT_EQ(block.energy->captured, block.energy->routed);
    EXPECT_EQ(block.energy->oracle, block.energy->routed);
  }
}

// ---- One block ----

// Layer 1 of a converted model, over drawn hidden states.
class RoutedEnergySumsTest : public ::testing::Test {
 protected:
  static constexpr int64_t kTokens = 50;

  void SetUp() override {
    WriteConverted({.num_experts = 4, .top_k = 2}, directory_.Path("moe"));
    MOE_ASSERT_OK_AND_ASSIGN(
        checkpoint_, checkpoint::Checkpoint::Open(directory_.Path("moe")));
    MOE_ASSERT_OK_AND_ASSIGN(
        weights_, model::ReadDecoderLayerWeights(
                      *checkpoint_, 1, model::LayerPasses::kForward, pool_));
    layout_ = LayoutOfBlock(*checkpoint_, 1, model::DecoderBlock::kMlp);
  }

  model::DecoderLayer Layer(const model::LayerBlocks& blocks = {}) const {
    model::DecoderLayer layer;
    layer.config = &checkpoint::DecoderConfig(checkpoint_->config());
    layer.weights = &weights_;
    layer.blocks = blocks;
    layer.mlp_routing = model::MlpRoutingOptions(*checkpoint_->moe_config());
    return layer;
  }

  // The energies of the tokens, `at_once` in a batch.
  absl::StatusOr<RoutedEnergy> Energy(base::MatrixView<const float> hidden,
                                      const std::vector<float>& weights,
                                      int64_t at_once = kTokens,
                                      const model::LayerBlocks& blocks = {}) {
    const model::DecoderLayer layer = Layer(blocks);
    MOE_ASSIGN_OR_RETURN(
        const std::unique_ptr<RoutedEnergySums> sums,
        RoutedEnergySums::Create(*checkpoint_, layout_, layer, pool_));
    for (int64_t begin = 0; begin < hidden.rows; begin += at_once) {
      const int64_t end = std::min(begin + at_once, hidden.rows);
      const std::vector<int64_t> offsets = {0, end - begin};
      const model::LayerBatch batch = {offsets, hidden.Rows(begin, end)};
      model::LayerTaps taps;
      taps.features = [&](const model::BlockFeatures& part) {
        if (part.expert < 0) num_shared_rows_ += part.features.rows;
        return absl::OkStatus();
      };
      sums->Watch(
          batch,
          absl::MakeConstSpan(weights).subspan(
              static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
          taps);
      TestMatrix output(end - begin, kHidden), residual(end - begin, kHidden);
      MOE_RETURN_IF_ERROR(model::MlpBlockForward(
          layer, batch, taps, {output.view(), residual.view()}, pool_));
    }
    return sums->Finish();
  }

  const TempDirectory directory_;
  base::ThreadPool pool_{2};
  std::optional<checkpoint::Checkpoint> checkpoint_;
  model::DecoderLayerWeights weights_;
  BlockLayout layout_;
  TestMatrix hidden_ = TestMatrix(kTokens, kHidden).Fill("hidden");
  int64_t num_shared_rows_ = 0;
};

TEST_F(RoutedEnergySumsTest, BatchesAndBlocksChangeNoBit) {
  std::vector<float> weights;
  for (int64_t t = 0; t < kTokens; ++t) {
    weights.push_back(0.5f + 0.03f * static_cast<float>(t));
  }
  MOE_ASSERT_OK_AND_ASSIGN(const RoutedEnergy want,
                           Energy(hidden_.view(), weights));
  // The tap that was there sees what it would have seen.
  EXPECT_EQ(num_shared_rows_, kTokens);
  EXPECT_LE(want.captured, want.oracle);
  EXPECT_LE(want.oracle, want.routed);
  model::LayerBlocks blocks;
  blocks.mlp_rows = 7;
  blocks.expert_rows = 3;
  for (const int64_t at_once : {1, 13, 50}) {
    MOE_ASSERT_OK_AND_ASSIGN(const RoutedEnergy got,
                             Energy(hidden_.view(), weights, at_once, blocks));
    EXPECT_EQ(got.captured, want.captured);
    EXPECT_EQ(got.oracle, want.oracle);
    EXPECT_EQ(got.routed, want.routed);
    EXPECT_EQ(got.shared, want.shared);
  }
}

TEST_F(RoutedEnergySumsTest, NamesWhatIsTooLarge) {
  std::vector<float> weights(kTokens, 1.0f);
  weights[17] = std::numeric_limits<float>::max();
  weights[18] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(Energy(hidden_.view(), weights).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("energy of the experts: expected a finite "
                                 "number, found inf")));
  hidden_.view().Row(11)[5] = std::nanf("");
  EXPECT_THAT(Energy(hidden_.view(), weights).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("MLP activation of expert 0"),
                             HasSubstr("position 11"))));
}

TEST_F(RoutedEnergySumsTest, SaysWhatItTakes) {
  // 160 features: 8 bytes and 64 rows of 8 bytes each; the activations of 32
  // neurons and 3 rows, twice; for each of 50 tokens 5 numbers an expert.
  model::LayerBlocks blocks;
  blocks.expert_rows = 3;
  EXPECT_EQ(RoutedEnergySums::SizeBytes(*checkpoint_, blocks, kTokens),
            160 * 8 + 160 * 64 * 8 + 2 * 3 * 32 * 4 + 50 * 4 * 5 * 4);
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint dense,
                           checkpoint::Checkpoint::Open(testing::kDenseF32));
  EXPECT_EQ(RoutedEnergySums::SizeBytes(dense, blocks, kTokens), 0);
}

}  // namespace
}  // namespace moe::reconstruct
