// The energies of the neurons of a layer for all tokens, gathered while a walk
// goes through it.
//
// A tap hands on what the walk hands to it. At the layer's end it has the sums
// by which neurons are chosen, and every energy.
//
// The weights of tokens w_t are TokenWeights of the hidden states after the
// layer: energy counts in proportion to what it is added to.

#ifndef MOE_RECONSTRUCT_LAYER_ENERGIES_H_
#define MOE_RECONSTRUCT_LAYER_ENERGIES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"

namespace moe::reconstruct {

// A walk over a model. What it refers to must outlive it.
struct EnergyWalk {
  const model::DenseModel& model;
  int64_t num_tokens = 0;
  const model::WalkOptions& options;
  const model::WalkResources& resources;
};

class LayerEnergies {
 public:
  explicit LayerEnergies(const EnergyWalk& walk);

  // The memory of all but the energies, which are spilled where the budget has
  // no room. Reserve it before the walk.
  static int64_t Bytes(const checkpoint::LlamaConfig& config,
                       int64_t num_tokens);

  // `num_cols` floats for each token, spilled where the budget has no room.
  absl::StatusOr<model::HiddenStates> NewRows(int64_t num_cols) const;

  // In OnLayerStart. Reserves memory only here, after the walk has reserved its
  // own. The errors of HiddenStates.
  absl::Status Start();

  // In OnFeatures and OnLayerOutput.
  absl::Status AddFeatures(const model::TapContext& context,
                           const model::BlockFeatures& features);
  void AddOutput(const model::TapContext& context,
                 base::MatrixView<const float> hidden);

  // In OnLayerEnd. The errors of ColumnNorms and TakeEnergies.
  absl::Status Finish(int64_t layer);

  // After Finish, until the next Start: V [T, I], w [T], and the sums of V over
  // tokens, [I].
  model::HiddenStates& energies() { return *energies_; }
  absl::Span<const float> weights() const { return weights_; }
  absl::Span<const double> totals() const { return totals_; }

 private:
  const EnergyWalk walk_;
  std::vector<double> squared_norms_;  // [T], of the states after the layer.
  std::vector<float> weights_;
  std::vector<double> totals_;
  std::optional<model::HiddenStates> energies_;  // Activations until Finish.
  base::Matrix<float> buffer_;
};

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_LAYER_ENERGIES_H_
