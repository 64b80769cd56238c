// The packed weights of a model's layers, one after another, in the order of a
// walk: those that the model keeps, or one layer at a time.
//
//   MOE_ASSIGN_OR_RETURN(LayerWeightMemory memory,
//                        LayerWeightMemory::Reserve(model, passes, budget));
//   LayerWeightStream stream(model, passes, order, memory, pool);
//   for each layer, in the order of the stream:
//     MOE_ASSIGN_OR_RETURN(const DecoderLayerWeights* weights, stream.Next());
//
// While the caller computes with a layer, a thread of the stream reads the
// tensors of the next one as they are stored, if the budget has room for them.
// They are packed when their turn comes and the layer before has been freed.

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

namespace moe::model {

enum class LayerOrder { kFirstToLast, kLastToFirst };

// The memory of a stream, without what the model keeps.
class LayerWeightMemory {
 public:
  // Reserves nothing if the model keeps its weights for `passes`, else room for
  // one layer. ResourceExhausted, with the smallest budget that is enough, if
  // there is no room.
  static absl::StatusOr<LayerWeightMemory> Reserve(const Model& model,
                                                   LayerPasses passes,
                                                   base::MemoryBudget& budget);

  // Reserves room for the tensors of the next layer, too, if there is any.
  void AddNextLayer(base::MemoryBudget& budget);
  bool has_next_layer() const { return has_next_layer_; }
  // Without the next layer.
  int64_t num_bytes() const { return layer_.num_bytes(); }

 private:
  base::MemoryBudget::Reservation layer_;
  int64_t next_layer_bytes_ = 0;  // 0 if the model keeps its weights.
  base::MemoryBudget::Reservation next_layer_;
  bool has_next_layer_ = false;
};

class LayerWeightStream {
 public:
  // `model`, `memory` and `pool` must outlive the stream.
  LayerWeightStream(Model& model, LayerPasses passes, LayerOrder order,
                    const LayerWeightMemory& memory, base::ThreadPool& pool);

  // The weights of the next layer, valid until the next call. Call it at most
  // once for each layer of the model. The errors of ReadWeight.
  absl::StatusOr<const DecoderLayerWeights*> Next();

 private:
  int64_t NextLayer() const;
  void StartReading();

  Model& model_;
  const LayerPasses passes_;
  const LayerOrder order_;
  const LayerWeightMemory& memory_;
  base::ThreadPool& pool_;
  int64_t num_given_ = 0;
  std::optional<DecoderLayerWeights> weights_;
  // The next layer, if it is being read. The destructor waits for it.
  std::future<absl::StatusOr<DecoderLayerTensors>> reading_;
};

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_LAYER_WEIGHT_STREAM_H_
