#include "moe/reconstruct/reconstruct_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/float_environment.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/kernels/rows/distances.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/decoder_layer.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/layer_pass.h"
#include "moe/model/walk/layer_weight_stream.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/sequence_groups.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/block_error.h"
#include "moe/reconstruct/block_features.h"
#include "moe/reconstruct/made_from.h"
#include "moe/reconstruct/normal_equations.h"
#include "moe/reconstruct/reconstruct_options.h"
#include "moe/reconstruct/reconstruct_options.pb.h"
#include "moe/reconstruct/refitted_weights.h"
#include "moe/reconstruct/routed_energy.h"
#include "moe/reconstruct/token_weights.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {
namespace {

// The walk over both models.
class Walk {
 public:
  Walk(const ReconstructionInputs& inputs,
       const text::TokenSequences& sequences, const RefittedParts& parts,
       const model::WalkOptions& options, const model::WalkResources& resources,
       Reconstruction& result)
      : dense_model_(inputs.dense),
        model_(inputs.converted),
        sequences_(sequences),
        options_(inputs.options),
        parts_(parts),
        walk_options_(options),
        resources_(resources),
        pool_(resources.pool),
        result_(result) {}

  absl::Status Run();

 private:
  // A block of the current layer while it is refitted.
  struct Block {
    model::DecoderBlock block = model::DecoderBlock::kMlp;
    model::LayerStage compute = model::LayerStage::kMlp;
    model::LayerStage add = model::LayerStage::kAddMlp;
    BlockLayout layout;
    double ridge = 0.0;
    bool is_refitted = false;
    absl::string_view part;

    bool is_attention() const {
      return block == model::DecoderBlock::kAttention;
    }
  };
  using GroupBody = absl::Status (Walk::*)(const model::SequenceGroup&,
                                           const Block&);

  absl::Status ReserveSums();
  absl::Status Plan();
  absl::Status PlanWithinBudget();
  absl::Status Prepare();
  absl::Status RunLayer(int64_t layer);
  absl::Status WalkDense();
  absl::Status DenseGroup(const model::SequenceGroup& group);
  Block BlockOf(int64_t layer, model::DecoderBlock kind) const;
  absl::Status RunBlock(const Block& block);
  absl::Status Refit(const Block& block);
  absl::Status Solve(const Block& block, RefittedBlock& refitted);
  absl::Status SurveyGroup(const model::SequenceGroup& group,
                           const Block& block);
  absl::Status FinishGroup(const model::SequenceGroup& group,
                           const Block& block);
  absl::StatusOr<base::MatrixView<const float>> Wanted(
      const model::SequenceGroup& group, const Block& block,
      base::MatrixView<const float> x);
  absl::Status Replace(const Block& block, const OutputMatrix& matrix,
                       base::MatrixView<const double> change);
  model::Linear& LinearOf(const Block& block, const OutputMatrix& matrix);

  absl::Status ForEachGroup(GroupBody body, const Block& block) {
    for (const model::SequenceGroup& group : *groups_) {
      MOE_RETURN_IF_ERROR((this->*body)(group, block));
    }
    return absl::OkStatus();
  }
  // Whether the dense layer is of no use once its hidden states are through.
  bool FreesDenseWeights() const {
    return options_.target() == ReconstructOptions::DENSE_STREAM;
  }
  int64_t hidden_size() const { return model_.config().hidden_size; }
  base::MatrixView<float> Buffer(base::Matrix<float>& buffer,
                                 const model::SequenceGroup& group) {
    if (buffer.rows() < group.num_tokens()) {
      buffer = base::Matrix<float>();  // Frees it before it grows.
      buffer = base::Matrix<float>(group.num_tokens(), hidden_size());
    }
    return buffer.view().Rows(0, group.num_tokens());
  }
  model::LayerBatch BatchOf(const model::SequenceGroup& group,
                            base::MatrixView<const float> x) const {
    return {group.offsets, x, group.first_sequence};
  }
  model::BlockOutput OutputOf(const model::SequenceGroup& group) {
    return {Buffer(output_, group), weights_.has_residual()
                                        ? Buffer(residual_, group)
                                        : base::MatrixView<float>{}};
  }
  absl::Span<const float> WeightsOf(const model::SequenceGroup& group,
                                    const Block& block) const {
    return absl::MakeConstSpan(block.is_attention() ? middle_weights_
                                                    : end_weights_)
        .subspan(static_cast<size_t>(group.first_token),
                 static_cast<size_t>(group.num_tokens()));
  }

  model::Model& dense_model_;
  model::Model& model_;
  const text::TokenSequences& sequences_;
  const ReconstructOptions& options_;
  const RefittedParts parts_;
  model::WalkOptions walk_options_;
  const model::WalkResources& resources_;
  base::ThreadPool& pool_;
  Reconstruction& result_;
  base::MemoryBudget::Reservation memory_, dense_memory_;

  std::optional<model::WalkPlan> dense_plan_, plan_;
  const std::vector<model::SequenceGroup>* groups_ = nullptr;
  // The dense hidden states, those behind the attention of the current layer,
  // and those of the converted model.
  model::HiddenStates dense_, middle_, hidden_;
  // Squared norms, and then the weights, of tokens in the current layer.
  std::vector<double> middle_norms_, end_norms_;
  std::vector<float> middle_weights_, end_weights_;
  // Whether the hidden states can differ from the dense ones.
  bool differs_ = false;
  // The layer of both models.
  model::DecoderLayer dense_layer_, layer_;
  model::DecoderLayerWeights dense_weights_, weights_;
  // For the block that is refitted.
  FeatureRows* features_ = nullptr;
  NormalEquations* equations_ = nullptr;
  BlockError before_, after_;
  std::unique_ptr<RoutedEnergySums> energy_;  // Null if it is of no use.
  bool measures_ = false;  // Whether a block's outputs add to after_.
  base::Matrix<float> load_, dense_load_, middle_load_, output_, residual_,
      wanted_, error_;
};

// Takes the memory of the largest block's sums, and of the features and other
// rows of a group.
absl::Status Walk::ReserveSums() {
  int64_t num_features = 0;
  for (int64_t layer = 0; layer < model_.config().num_hidden_layers; ++layer) {
    for (const model::DecoderBlock block :
         {model::DecoderBlock::kAttention, model::DecoderBlock::kMlp}) {
      num_features = std::max(
          num_features,
          LayoutOfBlock(model_.checkpoint(), layer, block).num_features);
    }
  }
  constexpr int64_t kBuffers = 7;
  const int64_t most_tokens =
      std::max(model::LongestSequence(sequences_.offsets()),
               std::min(walk_options_.tokens_at_once, sequences_.num_tokens()));
  const int64_t num_bytes =
      NormalEquations::SizeBytes(num_features, hidden_size()) +
      RoutedEnergySums::SizeBytes(model_.checkpoint(), walk_options_.blocks,
                                  most_tokens) +
      most_tokens * (num_features + kBuffers * hidden_size()) *
          static_cast<int64_t>(sizeof(float));
  MOE_ASSIGN_OR_RETURN(
      memory_, resources_.budget.Reserve(
                   num_bytes,
                   absl::StrCat("the sums over ", num_features, " features")));
  return absl::OkStatus();
}

// Takes what both walks need for groups of tokens_at_once.
absl::Status Walk::Plan() {
  constexpr model::LayerPasses kPasses = model::LayerPasses::kForward;
  MOE_RETURN_IF_ERROR(ReserveSums());
  model::WalkOptions options = walk_options_;
  options.reads_ahead = false;
  MOE_ASSIGN_OR_RETURN(
      dense_plan_,
      model::PlanWalk(dense_model_, sequences_, kPasses, options, resources_));
  const int64_t dense_bytes = dense_plan_->weights.num_bytes();
  // The weights of one model are freed before those of the other are read.
  if (FreesDenseWeights()) dense_plan_->weights = model::LayerWeightMemory();
  MOE_ASSIGN_OR_RETURN(
      plan_, model::PlanWalk(model_, sequences_, kPasses, options, resources_));
  const int64_t more = dense_bytes - plan_->weights.num_bytes();
  if (FreesDenseWeights() && more > 0) {
    MOE_ASSIGN_OR_RETURN(
        dense_memory_,
        resources_.budget.Reserve(more, "the weights of one decoder layer"));
  }
  return absl::OkStatus();
}

// Plans with groups that are as large as there is room for.
absl::Status Walk::PlanWithinBudget() {
  const int64_t longest = model::LongestSequence(sequences_.offsets());
  while (true) {
    const absl::Status status = Plan();
    if (!absl::IsResourceExhausted(status) ||
        walk_options_.tokens_at_once <= longest) {
      return status;
    }
    plan_.reset();
    dense_plan_.reset();
    memory_ = base::MemoryBudget::Reservation();
    dense_memory_ = base::MemoryBudget::Reservation();
    walk_options_.tokens_at_once /= 2;
  }
}

absl::Status Walk::Prepare() {
  MOE_RETURN_IF_ERROR(PlanWithinBudget());
  // Both have room for the smaller groups.
  groups_ = dense_plan_->groups.size() > plan_->groups.size()
                ? &dense_plan_->groups
                : &plan_->groups;
  const int64_t num_tokens = sequences_.num_tokens();
  for (model::HiddenStates* const states : {&dense_, &middle_, &hidden_}) {
    MOE_ASSIGN_OR_RETURN(
        *states, model::HiddenStates::Create(num_tokens, hidden_size(),
                                             resources_.budget,
                                             walk_options_.spill_directory));
  }
  middle_norms_.resize(static_cast<size_t>(num_tokens));
  end_norms_.resize(static_cast<size_t>(num_tokens));
  MOE_RETURN_IF_ERROR(
      model::EmbedSequences(dense_model_, sequences_, *dense_plan_, dense_));
  return model::EmbedSequences(model_, sequences_, *plan_, hidden_);
}

absl::Status Walk::Run() {
  MOE_RETURN_IF_ERROR(Prepare());
  const int64_t num_layers = model_.config().num_hidden_layers;
  resources_.progress.Start("reconstruct", num_layers * sequences_.num_tokens(),
                            "tokens x layers");
  dense_layer_ =
      model::LayerOf(dense_model_, *dense_plan_, dense_weights_, walk_options_);
  layer_ = model::LayerOf(model_, *plan_, weights_, walk_options_);
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    MOE_RETURN_IF_ERROR(
        base::Annotate(RunLayer(layer), absl::StrCat("layer ", layer)));
    resources_.progress.Advance(sequences_.num_tokens());
  }
  MOE_RETURN_IF_ERROR(base::CheckFloatEnvironment("the reconstruction"));
  resources_.progress.Finish();
  return absl::OkStatus();
}

// Weights are freed before others are read. The dense ones are needed until the
// dense hidden states are through, or as long as the dense block is a target.
absl::Status Walk::RunLayer(int64_t layer) {
  const auto read = [&](const model::Model& model,
                        model::DecoderLayerWeights& weights) {
    weights = model::DecoderLayerWeights();
    absl::StatusOr<model::DecoderLayerWeights> layer_weights =
        model::ReadDecoderLayerWeights(model.checkpoint(), layer,
                                       model::LayerPasses::kForward, pool_);
    if (layer_weights.ok()) weights = *std::move(layer_weights);
    return layer_weights.status();
  };
  weights_ = model::DecoderLayerWeights();
  MOE_RETURN_IF_ERROR(read(dense_model_, dense_weights_));
  MOE_RETURN_IF_ERROR(WalkDense());
  if (FreesDenseWeights()) dense_weights_ = model::DecoderLayerWeights();
  MOE_RETURN_IF_ERROR(read(model_, weights_));
  for (const model::DecoderBlock kind :
       {model::DecoderBlock::kAttention, model::DecoderBlock::kMlp}) {
    MOE_RETURN_IF_ERROR(RunBlock(BlockOf(layer, kind)));
  }
  return absl::OkStatus();
}

// Takes the dense hidden states through the layer.
absl::Status Walk::WalkDense() {
  for (const model::SequenceGroup& group : *groups_) {
    MOE_RETURN_IF_ERROR(base::Annotate(DenseGroup(group), "dense model"));
  }
  const auto size = static_cast<double>(hidden_size());
  const double epsilon = model_.config().rms_norm_eps;
  middle_weights_ = TokenWeights(middle_norms_, size, epsilon);
  end_weights_ = TokenWeights(end_norms_, size, epsilon);
  return absl::OkStatus();
}

absl::Status Walk::DenseGroup(const model::SequenceGroup& group) {
  const int64_t begin = group.first_token, end = group.end_token();
  const auto norms_of = [&](std::vector<double>& norms) {
    return absl::MakeSpan(norms).subspan(
        static_cast<size_t>(begin), static_cast<size_t>(group.num_tokens()));
  };
  MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> x,
                       dense_.Load(begin, end, dense_load_));
  model::LayerForward forward;
  forward.attention.output = Buffer(output_, group);
  forward.mlp.output = forward.attention.output;
  const base::MatrixView<float> middle =
      middle_.Prepare(begin, end, middle_load_);
  forward.hidden = middle;
  forward.last = model::LayerStage::kAddAttention;
  MOE_RETURN_IF_ERROR(model::DecoderLayerForward(
      dense_layer_, BatchOf(group, x), {}, forward, pool_));
  kernels::SquaredNorms(middle, norms_of(middle_norms_), pool_);
  std::copy_n(middle.data, middle.rows * middle.cols, x.data);
  MOE_RETURN_IF_ERROR(middle_.Store(begin, middle));
  forward.hidden = x;
  forward.first = model::LayerStage::kMlp;
  forward.last = model::LayerStage::kAddMlp;
  MOE_RETURN_IF_ERROR(model::DecoderLayerForward(
      dense_layer_, BatchOf(group, x), {}, forward, pool_));
  kernels::SquaredNorms(x, norms_of(end_norms_), pool_);
  return dense_.Store(begin, x);
}

Walk::Block Walk::BlockOf(int64_t layer, model::DecoderBlock kind) const {
  Block block;
  block.block = kind;
  block.layout = LayoutOfBlock(model_.checkpoint(), layer, kind);
  if (block.is_attention()) {
    block.compute = model::LayerStage::kAttention;
    block.add = model::LayerStage::kAddAttention;
    block.ridge = options_.ridge_attention();
    block.is_refitted = parts_.attention;
    block.part = kAttentionPart;
  } else {
    block.ridge = options_.ridge();
    block.is_refitted = parts_.mlp;
    block.part = kMlpPart;
  }
  return block;
}

absl::Status Walk::RunBlock(const Block& block) {
  const bool is_dense =
      !block.layout.has_experts &&
      block.layout.num_features ==
          LayoutOfBlock(dense_model_.checkpoint(), /*layer=*/0, block.block)
              .num_features;
  differs_ = differs_ || !is_dense;
  // A dense block gives what it gives, whatever its input.
  const bool is_right =
      is_dense && options_.target() == ReconstructOptions::DENSE_BLOCK;
  if (!block.is_refitted || !differs_ || is_right) {
    return ForEachGroup(&Walk::FinishGroup, block);
  }
  return base::Annotate(Refit(block), block.part);
}

absl::Status Walk::Refit(const Block& block) {
  const int64_t num_features = block.layout.num_features;
  if (block.ridge == 0.0 && sequences_.num_tokens() < num_features) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected at least ", num_features,
        " tokens, one for each feature, as the ridge is 0, found ",
        sequences_.num_tokens(), "; give more tokens or a ridge above 0"));
  }
  RefittedBlock refitted = {block.layout.matrices[0].name.layer,
                            std::string(block.part), num_features};
  MOE_RETURN_IF_ERROR(Solve(block, refitted));
  after_ = BlockError();
  measures_ = true;
  MOE_RETURN_IF_ERROR(ForEachGroup(&Walk::FinishGroup, block));
  measures_ = false;
  refitted.error_before = before_.relative();
  refitted.error_after = after_.relative();
  result_.blocks.push_back(std::move(refitted));
  return absl::OkStatus();
}

// Sums over all tokens, and replaces the matrices by what they come to.
absl::Status Walk::Solve(const Block& block, RefittedBlock& refitted) {
  NormalEquations equations(block.layout.num_features, hidden_size());
  FeatureRows features(block.layout);
  equations_ = &equations;
  features_ = &features;
  before_ = BlockError();
  if (!block.is_attention() && block.layout.has_experts) {
    MOE_ASSIGN_OR_RETURN(
        energy_, RoutedEnergySums::Create(model_.checkpoint(), block.layout,
                                          layer_, pool_));
  }
  MOE_RETURN_IF_ERROR(ForEachGroup(&Walk::SurveyGroup, block));
  if (energy_ != nullptr) {
    MOE_ASSIGN_OR_RETURN(refitted.energy, energy_->Finish());
    energy_.reset();
  }
  absl::StatusOr<RidgeSolution> solution =
      std::move(equations).Solve(block.ridge, pool_);
  if (!solution.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        solution.status().message(), ": give more tokens or a larger ridge"));
  }
  refitted.lambda = solution->lambda;
  refitted.pivot_ratio = solution->pivot_ratio;
  for (const OutputMatrix& matrix : block.layout.matrices) {
    MOE_RETURN_IF_ERROR(Replace(block, matrix, solution->change.view()));
  }
  return absl::OkStatus();
}

// What the block should give for its input x.
absl::StatusOr<base::MatrixView<const float>> Walk::Wanted(
    const model::SequenceGroup& group, const Block& block,
    base::MatrixView<const float> x) {
  const base::MatrixView<float> wanted = Buffer(wanted_, group);
  if (options_.target() == ReconstructOptions::DENSE_STREAM) {
    MOE_ASSIGN_OR_RETURN(
        const base::MatrixView<float> dense,
        (block.is_attention() ? middle_ : dense_)
            .Load(group.first_token, group.end_token(), dense_load_));
    kernels::Subtract(dense, x, wanted, pool_);
    return wanted;
  }
  model::LayerForward forward;
  forward.first = forward.last = block.compute;
  // The MLP reads its input from there.
  const base::MatrixView<float> input = Buffer(dense_load_, group);
  std::copy_n(x.data, x.rows * x.cols, input.data);
  forward.hidden = input;
  forward.attention.output = forward.mlp.output = wanted;
  MOE_RETURN_IF_ERROR(model::DecoderLayerForward(
      dense_layer_, BatchOf(group, input), {}, forward, pool_));
  return wanted;
}

// Adds the group to the sums. The hidden states stay as they are.
absl::Status Walk::SurveyGroup(const model::SequenceGroup& group,
                               const Block& block) {
  MOE_ASSIGN_OR_RETURN(
      const base::MatrixView<float> x,
      hidden_.Load(group.first_token, group.end_token(), load_));
  features_->Start(group.num_tokens(), pool_);
  model::LayerTaps taps;
  taps.features = [this](const model::BlockFeatures& part) {
    features_->Add(part, pool_);
    return absl::OkStatus();
  };
  const model::LayerBatch batch = BatchOf(group, x);
  const absl::Span<const float> weights = WeightsOf(group, block);
  if (energy_ != nullptr) energy_->Watch(batch, weights, taps);
  const model::BlockOutput output = OutputOf(group);
  model::LayerForward forward;
  forward.first = forward.last = block.compute;
  forward.hidden = x;
  forward.attention.output = output.output;
  forward.mlp = output;
  MOE_RETURN_IF_ERROR(
      model::DecoderLayerForward(layer_, batch, taps, forward, pool_));
  if (!block.is_attention() && output.residual.rows > 0) {
    kernels::ResidualAdd(output.output, output.residual, output.output, pool_);
  }
  MOE_ASSIGN_OR_RETURN(const base::MatrixView<const float> wanted,
                       Wanted(group, block, x));
  const base::MatrixView<float> error = Buffer(error_, group);
  kernels::Subtract(wanted, output.output, error, pool_);
  before_.Add(error, wanted, weights, pool_);
  equations_->Add(features_->rows(), error, weights, pool_);
  return absl::OkStatus();
}

// Takes the hidden states of the converted model through the block.
absl::Status Walk::FinishGroup(const model::SequenceGroup& group,
                               const Block& block) {
  MOE_ASSIGN_OR_RETURN(
      const base::MatrixView<float> x,
      hidden_.Load(group.first_token, group.end_token(), load_));
  model::LayerTaps taps;
  const auto measure = [&](base::MatrixView<float> output) -> absl::Status {
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<const float> wanted,
                         Wanted(group, block, x));
    const base::MatrixView<float> error = Buffer(error_, group);
    kernels::Subtract(wanted, output, error, pool_);
    after_.Add(error, wanted, WeightsOf(group, block), pool_);
    return absl::OkStatus();
  };
  if (measures_) {
    (block.is_attention() ? taps.attention_output : taps.mlp_output) = measure;
  }
  const model::BlockOutput output = OutputOf(group);
  model::LayerForward forward;
  forward.first = block.compute;
  forward.last = block.add;
  forward.hidden = x;
  forward.attention.output = output.output;
  forward.mlp = output;
  MOE_RETURN_IF_ERROR(model::DecoderLayerForward(layer_, BatchOf(group, x),
                                                 taps, forward, pool_));
  return hidden_.Store(group.first_token, x);
}

model::Linear& Walk::LinearOf(const Block& block, const OutputMatrix& matrix) {
  if (matrix.name.expert < 0) {
    return block.is_attention() ? weights_.attention.output : weights_.mlp.down;
  }
  const auto expert = static_cast<size_t>(matrix.name.expert);
  return block.is_attention()
             ? weights_.attention_experts.experts[expert].output
             : weights_.mlp_experts.experts[expert].down;
}

// Keeps the changed matrix, and packs it for the rest of the layer.
absl::Status Walk::Replace(const Block& block, const OutputMatrix& matrix,
                           base::MatrixView<const double> change) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor tensor,
                       AddChange(model_.checkpoint(), matrix, change));
  MOE_RETURN_IF_ERROR(result_.weights.Put(matrix.name, tensor.bytes));
  LinearOf(block, matrix).forward.Repack(model::ViewWeight(tensor), pool_);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Reconstruction> ReconstructModel(
    const ReconstructionInputs& inputs, const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateReconstructOptions(inputs.options));
  MOE_ASSIGN_OR_RETURN(const RefittedParts parts,
                       ParseRefittedParts(inputs.options));
  MOE_RETURN_IF_ERROR(
      CheckMadeFrom(inputs.converted.checkpoint(), inputs.dense.checkpoint()));
  MOE_RETURN_IF_ERROR(
      CheckConverted(inputs.converted.checkpoint(), inputs.dense.config()));
  // Before sorting, so that messages have the caller's sequence numbers.
  MOE_RETURN_IF_ERROR(
      model::CheckSequences(inputs.converted.config(), inputs.sequences));
  MOE_ASSIGN_OR_RETURN(RefittedWeights weights,
                       RefittedWeights::Create(
                           walk_options.spill_directory,
                           OutputMatrixBytes(inputs.converted.checkpoint())));
  Reconstruction result = {
      std::move(weights), {}, inputs.sequences.num_tokens()};
  const text::TokenSequences sequences =
      model::InCanonicalOrder(inputs.sequences);
  MOE_RETURN_IF_ERROR(base::Annotate(
      Walk(inputs, sequences, parts, walk_options, resources, result).Run(),
      "sequences sorted by their tokens"));
  return result;
}

}  // namespace moe::reconstruct
