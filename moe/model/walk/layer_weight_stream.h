// The packed weights of a model's layers, one after another, as a walk needs
// them: those that the model keeps, or one layer at a time.
//
//   MOE_ASSIGN_OR_RETURN(LayerWeightMemory memory,
//                        LayerWeightMemory::Reserve(model, passes, budget));
//   LayerWeightStream stream(model, passes, order, memory, pool);
//   for each layer, in the order of the stream:
//     MOE_ASSIGN_OR_RETURN(const DecoderLayerWeights* weights, stream.Next());
//
// While the caller computes with a layer, the next one's tensors are read by a
// thread of the stream's own, as they are stored, where the budget has room for
// them; they are packed when their turn comes and the layer before is gone.

#ifndef MOE_MODEL_WALK_LAYER_WEIGHT_STREAM_H_
#define MOE_MODEL_WALK_LAYER_WEIGHT_STREAM_H_

#include <cstdint>
#include <future>
#include <optional>

#include "absl/status/statusor.h"
#include "moe/base/memory_budget.h"
#include "moe/base/thread_pool.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/model.h"

namespace moe {

enum class LayerOrder { kFirstToLast, kLastToFirst };

// What a stream holds in memory, beside what the model keeps.
class LayerWeightMemory {
 public:
  // Nothing if the model keeps its weights for `passes`, else room for one
  // layer: ResourceExhausted with the smallest budget that would do if there is
  // not so much.
  static absl::StatusOr<LayerWeightMemory> Reserve(const Model& model,
                                                   LayerPasses passes,
                                                   MemoryBudget& budget);

  // Room for the next layer's tensors as well, if there is so much.
  void AddNextLayer(MemoryBudget& budget);
  bool has_next_layer() const { return has_next_layer_; }

 private:
  MemoryBudget::Reservation layer_;
  int64_t next_layer_bytes_ = 0;  // 0 where the model keeps its weights.
  MemoryBudget::Reservation next_layer_;
  bool has_next_layer_ = false;
};

class LayerWeightStream {
 public:
  // `model`, `memory` and `pool` must outlive the stream.
  LayerWeightStream(Model& model, LayerPasses passes, LayerOrder order,
                    const LayerWeightMemory& memory, ThreadPool& pool);

  // The next layer's, valid until the next call. At most once for each layer of
  // the model. The errors of ReadWeight.
  absl::StatusOr<const DecoderLayerWeights*> Next();

 private:
  int64_t NextLayer() const;
  void StartReading();

  Model& model_;
  const LayerPasses passes_;
  const LayerOrder order_;
  const LayerWeightMemory& memory_;
  ThreadPool& pool_;
  int64_t num_given_ = 0;
  std::optional<DecoderLayerWeights> weights_;
  // Of the next layer, if it is being read; waited for when destroyed.
  std::future<absl::StatusOr<DecoderLayerTensors>> reading_;
};

}  // namespace moe

#endif  // MOE_MODEL_WALK_LAYER_WEIGHT_STREAM_H_
