// A model, dense or with experts, that provides weights to walks.
//
// Opens the checkpoint, and reads weights only when they are needed. If the
// memory budget has room for all of them packed, keeps them from walk to walk:
//
//   MOE_ASSIGN_OR_RETURN(Model model, Model::Open(path));
//   if (model.Keep(LayerPasses::kForward, budget)) {
//     MOE_ASSIGN_OR_RETURN(const DecoderLayerWeights* weights,
//                          model.KeptLayer(0, pool));
//   }
//
// Walks use LayerWeightStream and OutputHead, which handle both cases.

#ifndef MOE_MODEL_WALK_MODEL_H_
#define MOE_MODEL_WALK_MODEL_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"

namespace moe::model {

namespace internal {

// What a model keeps from walk to walk.
struct KeptWeights {
  LayerPasses passes = LayerPasses::kForward;
  std::vector<base::MemoryBudget::Reservation> reservations;
  int64_t num_bytes = 0;  // The sum of them.
  std::vector<std::optional<DecoderLayerWeights>> layers;
  std::optional<Linear> output;
};

}  // namespace internal

class Model {
 public:
  // Errors of Checkpoint::Open.
  static absl::StatusOr<Model> Open(absl::string_view directory);

  const checkpoint::Checkpoint& checkpoint() const { return checkpoint_; }
  // The configuration that a dense model and one with experts share.
  const checkpoint::LlamaConfig& config() const {
    return checkpoint::DecoderConfig(checkpoint_.config());
  }
  // Null for a dense model.
  const checkpoint::MoeConfig* moe_config() const {
    return checkpoint_.moe_config();
  }

  // The output embedding [V, H]: lm_head, or the input embedding if the two are
  // tied.
  checkpoint::TensorName OutputEmbedding() const;
  int64_t PackedOutputBytes(LayerPasses passes) const;

  // Keeps all weights for `passes` from now on, if the budget has room. Returns
  // whether they are kept. If there is no room, what is kept for other passes
  // stays. The budget must outlive the model.
  bool Keep(LayerPasses passes, base::MemoryBudget& budget);
  // Frees what is kept.
  void Forget() { kept_.reset(); }
  bool keeps(LayerPasses passes) const;

  // Only if keeps(): the kept weights, which are read and packed at their first
  // use. The errors of ReadWeight. Valid until the next call of Keep or Forget.
  absl::StatusOr<const DecoderLayerWeights*> KeptLayer(int64_t layer,
                                                       base::ThreadPool& pool);
  // The output embedding, as a linear layer.
  absl::StatusOr<const Linear*> KeptOutput(base::ThreadPool& pool);

 protected:
  explicit Model(checkpoint::Checkpoint checkpoint)
      : checkpoint_(std::move(checkpoint)) {}

 private:
  int64_t KeptBytes(LayerPasses passes) const;

  checkpoint::Checkpoint checkpoint_;
  std::optional<internal::KeptWeights> kept_;
};

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_MODEL_H_
