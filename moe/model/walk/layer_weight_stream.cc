#include "moe/model/walk/layer_weight_stream.h"

#include <algorithm>
#include <cstdint>
#include <future>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "moe/base/check.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/model.h"

namespace moe::model {

absl::StatusOr<LayerWeightMemory> LayerWeightMemory::Reserve(
    const Model& model, LayerPasses passes, base::MemoryBudget& budget) {
  LayerWeightMemory memory;
  if (model.keeps(passes)) return memory;
  // Layers may be stored in different types, and only some may have experts.
  int64_t packed = 0, stored = 0, largest = 0;
  for (int64_t layer = 0; layer < model.config().num_hidden_layers; ++layer) {
    packed =
        std::max(packed, PackedLayerBytes(model.checkpoint(), layer, passes));
    stored = std::max(stored, StoredLayerBytes(model.checkpoint(), layer));
    largest =
        std::max(largest, LargestLayerTensorBytes(model.checkpoint(), layer));
  }
  MOE_ASSIGN_OR_RETURN(
      memory.layer_,
      budget.Reserve(packed + largest, "the weights of one decoder layer"));
  memory.next_layer_bytes_ = stored - largest;
  return memory;
}

void LayerWeightMemory::AddNextLayer(base::MemoryBudget& budget) {
  if (next_layer_bytes_ == 0) return;
  std::optional<base::MemoryBudget::Reservation> next =
      budget.TryReserve(next_layer_bytes_);
  if (!next.has_value()) return;
  next_layer_ = std::move(*next);
  has_next_layer_ = true;
}

LayerWeightStream::LayerWeightStream(Model& model, LayerPasses passes,
                                     LayerOrder order,
                                     const LayerWeightMemory& memory,
                                     base::ThreadPool& pool)
    : model_(model),
      passes_(passes),
      order_(order),
      memory_(memory),
      pool_(pool) {}

int64_t LayerWeightStream::NextLayer() const {
  return order_ == LayerOrder::kFirstToLast
             ? num_given_
             : model_.config().num_hidden_layers - 1 - num_given_;
}

void LayerWeightStream::StartReading() {
  if (!memory_.has_next_layer() ||
      num_given_ == model_.config().num_hidden_layers) {
    return;
  }
  const checkpoint::Checkpoint& checkpoint = model_.checkpoint();
  const int64_t layer = NextLayer();
  // If no thread can start, the layer is read when it is needed.
  reading_ = std::async(std::launch::async | std::launch::deferred,
                        [&checkpoint, layer] {
                          return ReadDecoderLayerTensors(checkpoint, layer);
                        });
}

absl::StatusOr<const DecoderLayerWeights*> LayerWeightStream::Next() {
  MOE_CHECK(num_given_ < model_.config().num_hidden_layers);
  const int64_t layer = NextLayer();
  ++num_given_;
  if (model_.keeps(passes_)) return model_.KeptLayer(layer, pool_);
  weights_.reset();
  if (reading_.valid()) {
    MOE_ASSIGN_OR_RETURN(DecoderLayerTensors tensors, reading_.get());
    weights_ = PackDecoderLayer(std::move(tensors), passes_, pool_);
  } else {
    MOE_ASSIGN_OR_RETURN(
        weights_,
        ReadDecoderLayerWeights(model_.checkpoint(), layer, passes_, pool_));
  }
  StartReading();
  return &*weights_;
}

}  // namespace moe::model
