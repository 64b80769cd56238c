#include "moe/reconstruct/neuron_removal.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/energy_sums.h"
#include "moe/reconstruct/expert_counts.h"
#include "moe/reconstruct/layer_energies.h"
#include "moe/reconstruct/neuron_removal_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {
namespace {

double LargestOf(absl::Span<const int64_t> neurons,
                 absl::Span<const double> totals) {
  double largest = 0.0;
  for (const int64_t n : neurons) {
    largest = std::max(largest, totals[static_cast<size_t>(n)]);
  }
  return largest;
}

KeptEnergy EnergyOf(absl::Span<const int64_t> kept,
                    absl::Span<const double> totals) {
  const std::vector<int64_t> removed =
      OtherNeurons(static_cast<int64_t>(totals.size()), kept);
  KeptEnergy energy;
  energy.kept = SumOver(kept, totals);
  energy.removed = SumOver(removed, totals);
  energy.largest_kept = LargestOf(kept, totals);
  energy.least_kept = energy.largest_kept;
  for (const int64_t n : kept) {
    energy.least_kept =
        std::min(energy.least_kept, totals[static_cast<size_t>(n)]);
  }
  energy.largest_removed = LargestOf(removed, totals);
  return energy;
}

// Chooses a layer's neurons at its end.
class NeuronRemovalTap : public model::WalkTap {
 public:
  NeuronRemovalTap(const EnergyWalk& walk, int64_t num_neurons,
                   NeuronRemoval& removal)
      : num_neurons_(num_neurons), removal_(removal), energies_(walk) {}

  absl::Status OnLayerStart(int64_t) override { return energies_.Start(); }

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
    MOE_RETURN_IF_ERROR(
        base::Annotate(energies_.Finish(layer), absl::StrCat("layer ", layer)));
    std::vector<int64_t> kept =
        LargestNeurons(energies_.totals(), num_neurons_);
    removal_.energies.push_back(EnergyOf(kept, energies_.totals()));
    removal_.kept.push_back(std::move(kept));
    return absl::OkStatus();
  }

 private:
  const int64_t num_neurons_;
  NeuronRemoval& removal_;
  LayerEnergies energies_;
};

// The neurons that are kept; for a layer its neurons twice while they are
// sorted, their sums, and the rows that TakeEnergies takes together.
int64_t RemovalBytes(const checkpoint::LlamaConfig& config, int64_t num_tokens,
                     int64_t num_neurons) {
  constexpr auto kIndexBytes = static_cast<int64_t>(sizeof(int64_t));
  constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));
  return LayerEnergies::Bytes(config, num_tokens) +
         config.num_hidden_layers * num_neurons * kIndexBytes +
         config.intermediate_size *
             (2 * kIndexBytes + static_cast<int64_t>(sizeof(double)) +
              std::min(kEnergyRowsAtOnce, num_tokens) * kFloatBytes);
}

}  // namespace

absl::Status CheckNeuronRemoval(const NeuronRemovalOptions& options,
                                const checkpoint::LlamaConfig& config) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  if (options.num_neurons() <= config.intermediate_size) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("num_neurons: expected at most the intermediate size, ",
                   config.intermediate_size, ", found ", options.num_neurons(),
                   "; keep fewer neurons"));
}

absl::StatusOr<NeuronRemoval> ChooseNeurons(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const NeuronRemovalOptions& options, const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(CheckNeuronRemoval(options, model.config()));
  // Before sorting, so that messages have the caller's sequence numbers.
  MOE_RETURN_IF_ERROR(model::CheckSequences(model.config(), sequences));
  const int64_t num_tokens = sequences.num_tokens();
  MOE_ASSIGN_OR_RETURN(
      const base::MemoryBudget::Reservation memory,
      resources.budget.Reserve(
          RemovalBytes(model.config(), num_tokens, options.num_neurons()),
          "the energies of a layer"));
  NeuronRemoval removal;
  NeuronRemovalTap tap({model, num_tokens, walk_options, resources},
                       options.num_neurons(), removal);
  MOE_RETURN_IF_ERROR(base::Annotate(
      model::WalkForward(model, model::InCanonicalOrder(sequences),
                         walk_options, &tap, resources)
          .status(),
      "sequences sorted by their tokens"));
  return removal;
}

}  // namespace moe::reconstruct
