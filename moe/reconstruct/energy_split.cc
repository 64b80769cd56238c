#include "moe/reconstruct/energy_split.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/kernels/rows/distances.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/column_norms.h"
#include "moe/reconstruct/energy_layer.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/reconstruct/energy_sums.h"
#include "moe/reconstruct/expert_counts.h"
#include "moe/reconstruct/token_weights.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {
namespace {

// What cannot be spilled, taken before the walk takes the rest.
struct SplitMemory {
  MemoryBudget::Reservation layer;
  ClusteringMemory start;

  static absl::StatusOr<SplitMemory> Reserve(const LlamaConfig& config,
                                             int64_t num_tokens,
                                             const EnergySplitOptions& options,
                                             const WalkResources& resources) {
    const int num_threads = resources.pool.num_threads();
    SplitMemory memory;
    const int64_t token_bytes =
        num_tokens * static_cast<int64_t>(2 * sizeof(double) + sizeof(float));
    MOE_ASSIGN_OR_RETURN(
        memory.layer,
        resources.budget.Reserve(
            EnergyLayerBytes({num_tokens, config.hidden_size,
                              config.intermediate_size, num_threads},
                             options) +
                token_bytes +
                ColumnNormsBytes(config.hidden_size, config.intermediate_size),
            "the energy split of a layer"));
    MOE_ASSIGN_OR_RETURN(
        memory.start,
        ClusteringMemory::Reserve(
            {NumStartTokens(num_tokens), config.hidden_size, num_threads},
            StartClustering(options), resources.budget));
    return memory;
  }
};

// What is split, how, and with what.
struct SplitJob {
  const DenseModel& model;
  const EnergySplitOptions& options;
  const WalkOptions& walk_options;
  const WalkResources& resources;
  const SplitMemory& memory;
};

// Gathers a layer's tokens, and splits it at its end.
class EnergySplitTap : public WalkTap {
 public:
  EnergySplitTap(const SplitJob& job, int64_t num_tokens, EnergySplit& split)
      : job_(job),
        split_(split),
        squared_norms_(static_cast<size_t>(num_tokens)) {}

  // Reserves memory only here, after the walk has reserved its own.
  absl::Status OnLayerStart(int64_t) override {
    if (inputs_.has_value()) return absl::OkStatus();
    MOE_ASSIGN_OR_RETURN(inputs_, NewRows(job_.model.config().hidden_size));
    MOE_ASSIGN_OR_RETURN(energies_,
                         NewRows(job_.model.config().intermediate_size));
    return absl::OkStatus();
  }

  absl::Status OnMlpInput(const TapContext& context,
                          MatrixView<const float> rows) override {
    return inputs_->StoreCopy(context.group.first_token, rows, buffer_);
  }

  absl::Status OnFeatures(const TapContext& context,
                          const BlockFeatures& features) override {
    if (features.block != DecoderBlock::kMlp) return absl::OkStatus();
    return energies_->StoreCopy(context.group.first_token + features.first_row,
                                features.features, feature_buffer_);
  }

  absl::Status OnLayerOutput(const TapContext& context,
                             MatrixView<const float> hidden) override {
    SquaredNorms(hidden,
                 absl::MakeSpan(squared_norms_)
                     .subspan(static_cast<size_t>(context.group.first_token),
                              static_cast<size_t>(hidden.rows)),
                 job_.resources.pool);
    return absl::OkStatus();
  }

  absl::Status OnLayerEnd(int64_t layer) override {
    return Annotate(SplitLayer(layer), absl::StrCat("layer ", layer));
  }

 private:
  absl::StatusOr<HiddenStates> NewRows(int64_t num_cols) const {
    return HiddenStates::Create(static_cast<int64_t>(squared_norms_.size()),
                                num_cols, job_.resources.budget,
                                job_.walk_options.spill_directory);
  }

  void SetDetail(int64_t layer, absl::string_view detail) const {
    job_.resources.progress.SetDetail(
        absl::StrCat("layer ", layer, ": ", detail));
  }

  absl::Status SplitLayer(int64_t layer) {
    const absl::Time start = absl::Now();
    const LlamaConfig& config = job_.model.config();
    SetDetail(layer, "energies");
    const std::vector<float> weights =
        TokenWeights(squared_norms_, static_cast<double>(config.hidden_size),
                     config.rms_norm_eps);
    std::vector<double> norms(static_cast<size_t>(config.intermediate_size));
    MOE_RETURN_IF_ERROR(ColumnNorms(
        job_.model.checkpoint(), TensorName{TensorKind::kMlpDown, layer},
        absl::MakeSpan(norms), job_.resources.pool));
    MOE_ASSIGN_OR_RETURN(
        const std::vector<double> totals,
        TakeEnergies(*energies_, weights, norms, job_.resources.pool));
    MOE_ASSIGN_OR_RETURN(const Matrix<float> router, Start(layer));
    SetDetail(layer, "experts and router");
    MOE_ASSIGN_OR_RETURN(
        EnergyLayer made,
        SplitLayerByEnergy({*inputs_, *energies_, weights, totals},
                           router.view(), job_.options,
                           job_.options.expert_size(), job_.resources.pool));
    Keep(std::move(made), absl::ToDoubleSeconds(absl::Now() - start));
    return absl::OkStatus();
  }

  absl::StatusOr<Matrix<float>> Start(int64_t layer) {
    const StartResources start = {
        job_.memory.start, job_.resources.budget,
        job_.walk_options.spill_directory, job_.resources.pool,
        [&](absl::string_view detail) { SetDetail(layer, detail); }};
    return StartRouter(*inputs_, job_.options,
                       absl::StrCat("split_energy/layer/", layer), start);
  }

  void Keep(EnergyLayer made, double elapsed_sec) {
    split_.gate_weights.layers.push_back(std::move(made.router));
    split_.neuron_indices.layers.push_back(std::move(made.indices));
    split_.layers.push_back({std::move(made.captured), made.best_iteration,
                             made.oracle, made.routed, made.shared,
                             std::move(made.loads), elapsed_sec});
  }

  const SplitJob& job_;
  EnergySplit& split_;
  std::vector<double> squared_norms_;  // [T], of the states after the layer.
  std::optional<HiddenStates> inputs_;
  std::optional<HiddenStates> energies_;  // Activations until the layer's end.
  Matrix<float> buffer_, feature_buffer_;
};

}  // namespace

absl::Status ValidateEnergySplitOptions(const EnergySplitOptions& options) {
  MOE_RETURN_IF_ERROR(CheckOptions(options));
  return CheckCounts(ExpertCountsOf(options));
}

absl::StatusOr<EnergySplit> SplitByEnergy(DenseModel& model,
                                          const TokenSequences& sequences,
                                          const EnergySplitOptions& given,
                                          const WalkOptions& walk_options,
                                          const WalkResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateEnergySplitOptions(given));
  const int64_t num_neurons = model.config().intermediate_size;
  MOE_ASSIGN_OR_RETURN(const EnergySplitOptions options,
                       WithSizes(given, num_neurons));
  // Before sorting, so that messages have the caller's sequence numbers.
  MOE_RETURN_IF_ERROR(CheckSequences(model.config(), sequences));
  const int64_t num_tokens = sequences.num_tokens();
  MOE_RETURN_IF_ERROR(
      CheckEnoughTokensFor(ExpertCountsOf(options), num_tokens));
  MOE_ASSIGN_OR_RETURN(
      const SplitMemory memory,
      SplitMemory::Reserve(model.config(), num_tokens, options, resources));
  EnergySplit split;
  const SplitJob job = {model, options, walk_options, resources, memory};
  EnergySplitTap tap(job, num_tokens, split);
  MOE_RETURN_IF_ERROR(Annotate(WalkForward(model, InCanonicalOrder(sequences),
                                           walk_options, &tap, resources)
                                   .status(),
                               "sequences sorted by their tokens"));
  return split;
}

}  // namespace moe
