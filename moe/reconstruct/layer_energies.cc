#include "moe/reconstruct/layer_energies.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/rows/distances.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/reconstruct/column_norms.h"
#include "moe/reconstruct/energy_sums.h"
#include "moe/reconstruct/token_weights.h"

namespace moe::reconstruct {

LayerEnergies::LayerEnergies(const EnergyWalk& walk)
    : walk_(walk), squared_norms_(static_cast<size_t>(walk.num_tokens)) {}

int64_t LayerEnergies::Bytes(const checkpoint::LlamaConfig& config,
                             int64_t num_tokens) {
  return num_tokens * static_cast<int64_t>(2 * sizeof(double) + sizeof(float)) +
         ColumnNormsBytes(config.hidden_size, config.intermediate_size);
}

absl::StatusOr<model::HiddenStates> LayerEnergies::NewRows(
    int64_t num_cols) const {
  return model::HiddenStates::Create(walk_.num_tokens, num_cols,
                                     walk_.resources.budget,
                                     walk_.options.spill_directory);
}

absl::Status LayerEnergies::Start() {
  if (energies_.has_value()) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(energies_,
                       NewRows(walk_.model.config().intermediate_size));
  return absl::OkStatus();
}

absl::Status LayerEnergies::AddFeatures(const model::TapContext& context,
                                        const model::BlockFeatures& features) {
  if (features.block != model::DecoderBlock::kMlp) return absl::OkStatus();
  return energies_->StoreCopy(context.group.first_token + features.first_row,
                              features.features, buffer_);
}

void LayerEnergies::AddOutput(const model::TapContext& context,
                              base::MatrixView<const float> hidden) {
  kernels::SquaredNorms(
      hidden,
      absl::MakeSpan(squared_norms_)
          .subspan(static_cast<size_t>(context.group.first_token),
                   static_cast<size_t>(hidden.rows)),
      walk_.resources.pool);
}

absl::Status LayerEnergies::Finish(int64_t layer) {
  const checkpoint::LlamaConfig& config = walk_.model.config();
  base::ThreadPool& pool = walk_.resources.pool;
  weights_ =
      TokenWeights(squared_norms_, static_cast<double>(config.hidden_size),
                   config.rms_norm_eps);
  std::vector<double> norms(static_cast<size_t>(config.intermediate_size));
  MOE_RETURN_IF_ERROR(ColumnNorms(
      walk_.model.checkpoint(),
      checkpoint::TensorName{checkpoint::TensorKind::kMlpDown, layer},
      absl::MakeSpan(norms), pool));
  MOE_ASSIGN_OR_RETURN(totals_,
                       TakeEnergies(*energies_, weights_, norms, pool));
  return absl::OkStatus();
}

}  // namespace moe::reconstruct
