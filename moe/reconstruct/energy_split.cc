#include "moe/reconstruct/energy_split.h"

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
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/energy_layer.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/reconstruct/expert_counts.h"
#include "moe/reconstruct/layer_energies.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {
namespace {

// What cannot be spilled, taken before the walk takes the rest.
struct SplitMemory {
  base::MemoryBudget::Reservation layer;
  gates::ClusteringMemory start;

  static absl::StatusOr<SplitMemory> Reserve(
      const checkpoint::LlamaConfig& config, int64_t num_tokens,
      const EnergySplitOptions& options,
      const model::WalkResources& resources) {
    const int num_threads = resources.pool.num_threads();
    SplitMemory memory;
    MOE_ASSIGN_OR_RETURN(
        memory.layer,
        resources.budget.Reserve(
            EnergyLayerBytes({num_tokens, config.hidden_size,
                              config.intermediate_size, num_threads},
                             options) +
                LayerEnergies::Bytes(config, num_tokens),
            "the energy split of a layer"));
    MOE_ASSIGN_OR_RETURN(
        memory.start,
        gates::ClusteringMemory::Reserve(
            {NumStartTokens(num_tokens), config.hidden_size, num_threads},
            StartClustering(options), resources.budget));
    return memory;
  }
};

// What is split, how, and with what.
struct EnergySplitJob {
  EnergyWalk walk;
  const EnergySplitOptions& options;
  const SplitMemory& memory;
};

// Gathers a layer's tokens, and splits it at its end.
class EnergySplitTap : public model::WalkTap {
 public:
  EnergySplitTap(const EnergySplitJob& job, EnergySplit& split)
      : job_(job), split_(split), energies_(job.walk) {}

  absl::Status OnLayerStart(int64_t) override {
    if (!inputs_.has_value()) {
      MOE_ASSIGN_OR_RETURN(
          inputs_, energies_.NewRows(job_.walk.model.config().hidden_size));
    }
    return energies_.Start();
  }

  absl::Status OnMlpInput(const model::TapContext& context,
                          base::MatrixView<const float> rows) override {
    return inputs_->StoreCopy(context.group.first_token, rows, buffer_);
  }

  absl::Status OnFeatures(const model::TapContext& context,
                          const model::BlockFeatures& features) override {
    return energies_.AddFeatures(context, features);
  }

  absl::Status OnLayerOutput(const model::TapContext& context,
                             base::MatrixView<const float> hidden) override {
    energies_.AddOutput(context, hidden);
    return absl::OkStatus();
  }

  absl::Status OnLayerEnd(int64_t layer) override {
    return base::Annotate(SplitLayer(layer), absl::StrCat("layer ", layer));
  }

 private:
  void SetDetail(int64_t layer, absl::string_view detail) const {
    job_.walk.resources.progress.SetDetail(
        absl::StrCat("layer ", layer, ": ", detail));
  }

  absl::Status SplitLayer(int64_t layer) {
    const absl::Time start = absl::Now();
    SetDetail(layer, "energies");
    MOE_RETURN_IF_ERROR(energies_.Finish(layer));
    MOE_ASSIGN_OR_RETURN(const base::Matrix<float> router, Start(layer));
    SetDetail(layer, "experts and router");
    MOE_ASSIGN_OR_RETURN(
        EnergyLayer made,
        SplitLayerByEnergy({*inputs_, energies_.energies(), energies_.weights(),
                            energies_.totals()},
                           router.view(), job_.options,
                           job_.options.expert_size(),
                           job_.walk.resources.pool));
    Keep(std::move(made), absl::ToDoubleSeconds(absl::Now() - start));
    return absl::OkStatus();
  }

  absl::StatusOr<base::Matrix<float>> Start(int64_t layer) {
    const StartResources start = {
        job_.memory.start, job_.walk.resources.budget,
        job_.walk.options.spill_directory, job_.walk.resources.pool,
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

  const EnergySplitJob& job_;
  EnergySplit& split_;
  LayerEnergies energies_;
  std::optional<model::HiddenStates> inputs_;
  base::Matrix<float> buffer_;
};

}  // namespace

absl::Status ValidateEnergySplitOptions(const EnergySplitOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  return CheckCounts(ExpertCountsOf(options));
}

absl::StatusOr<EnergySplit> SplitByEnergy(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const EnergySplitOptions& given, const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateEnergySplitOptions(given));
  const int64_t num_neurons = model.config().intermediate_size;
  MOE_ASSIGN_OR_RETURN(const EnergySplitOptions options,
                       WithSizes(given, num_neurons));
  // Before sorting, so that messages have the caller's sequence numbers.
  MOE_RETURN_IF_ERROR(model::CheckSequences(model.config(), sequences));
  const int64_t num_tokens = sequences.num_tokens();
  MOE_RETURN_IF_ERROR(
      CheckEnoughTokensFor(ExpertCountsOf(options), num_tokens));
  MOE_ASSIGN_OR_RETURN(
      const SplitMemory memory,
      SplitMemory::Reserve(model.config(), num_tokens, options, resources));
  EnergySplit split;
  const EnergySplitJob job = {
      {model, num_tokens, walk_options, resources}, options, memory};
  EnergySplitTap tap(job, split);
  MOE_RETURN_IF_ERROR(base::Annotate(
      model::WalkForward(model, model::InCanonicalOrder(sequences),
                         walk_options, &tap, resources)
          .status(),
      "sequences sorted by their tokens"));
  return split;
}

}  // namespace moe::reconstruct
