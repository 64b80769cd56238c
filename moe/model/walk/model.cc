#include "moe/model/walk/model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"

namespace moe::model {

absl::StatusOr<Model> Model::Open(absl::string_view directory) {
  MOE_ASSIGN_OR_RETURN(checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(directory));
  return Model(std::move(checkpoint));
}

checkpoint::TensorName Model::OutputEmbedding() const {
  return {config().tie_word_embeddings ? checkpoint::TensorKind::kEmbedding
                                       : checkpoint::TensorKind::kLmHead,
          /*layer=*/-1, /*expert=*/-1, /*is_bias=*/false};
}

int64_t Model::PackedOutputBytes(LayerPasses passes) const {
  return PackedLinearBytes(config().vocab_size, config().hidden_size, passes);
}

int64_t Model::KeptBytes(LayerPasses passes) const {
  // The largest tensor as it is stored is in memory while it is packed.
  int64_t largest = checkpoint::NumBytes(
      LocateWeight(checkpoint_, OutputEmbedding()).tensor->spec);
  int64_t layers = 0;
  for (int64_t layer = 0; layer < config().num_hidden_layers; ++layer) {
    largest = std::max(largest, LargestLayerTensorBytes(checkpoint_, layer));
    layers += PackedLayerBytes(checkpoint_, layer, passes);
  }
  return layers + PackedOutputBytes(passes) + largest;
}

bool Model::keeps(LayerPasses passes) const {
  return kept_.has_value() &&
         (kept_->passes == passes ||
          kept_->passes == LayerPasses::kForwardAndBackward);
}

bool Model::Keep(LayerPasses passes, base::MemoryBudget& budget) {
  if (keeps(passes)) return true;
  // A backward walk starts with a forward one, and a model that had a forward
  // walk may have another.
  if (passes == LayerPasses::kBackward || kept_.has_value()) {
    passes = LayerPasses::kForwardAndBackward;
  }
  const int64_t num_bytes = KeptBytes(passes);
  std::optional<base::MemoryBudget::Reservation> reservation =
      budget.TryReserve(num_bytes - (kept_.has_value() ? kept_->num_bytes : 0));
  if (!reservation.has_value()) return false;
  if (!kept_.has_value()) kept_.emplace();
  kept_->passes = passes;
  kept_->reservations.push_back(std::move(*reservation));
  kept_->num_bytes = num_bytes;
  // They are packed again, for both passes, at their next use.
  kept_->layers.clear();
  kept_->layers.resize(static_cast<size_t>(config().num_hidden_layers));
  kept_->output.reset();
  return true;
}

absl::StatusOr<const DecoderLayerWeights*> Model::KeptLayer(
    int64_t layer, base::ThreadPool& pool) {
  MOE_CHECK(kept_.has_value() && layer >= 0 &&
            layer < config().num_hidden_layers);
  std::optional<DecoderLayerWeights>& weights =
      kept_->layers[static_cast<size_t>(layer)];
  if (!weights.has_value()) {
    MOE_ASSIGN_OR_RETURN(weights, ReadDecoderLayerWeights(checkpoint_, layer,
                                                          kept_->passes, pool));
  }
  return &*weights;
}

absl::StatusOr<const Linear*> Model::KeptOutput(base::ThreadPool& pool) {
  MOE_CHECK(kept_.has_value());
  if (!kept_->output.has_value()) {
    MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor tensor,
                         ReadWeight(checkpoint_, OutputEmbedding()));
    kept_->output = PackLinear(ViewWeight(tensor), {}, kept_->passes, pool);
  }
  return &*kept_->output;
}

}  // namespace moe::model
