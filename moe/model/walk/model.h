// A model, dense or with experts, whose weights a walk can ask for.
//
// Opens the checkpoint; reads no weights until they are asked for. Where the
// memory budget has room for all of them packed, keeps them from walk to walk:
//
//   MOE_ASSIGN_OR_RETURN(Model model, Model::Open(path));
//   if (model.Keep(LayerPasses::kForward, budget)) {
//     MOE_ASSIGN_OR_RETURN(const DecoderLayerWeights* weights,
//                          model.KeptLayer(0, pool));
//   }
//
// Walks go through LayerWeightStream and OutputHead, which know both cases.

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

namespace moe {

namespace internal {

// What a model keeps from walk to walk.
struct KeptWeights {
  LayerPasses passes = LayerPasses::kForward;
  std::vector<MemoryBudget::Reservation> reservations;
  int64_t num_bytes = 0;  // Of all of them.
  std::vector<std::optional<DecoderLayerWeights>> layers;
  std::optional<Linear> output;
};

}  // namespace internal

class Model {
 public:
  // Errors of Checkpoint::Open.
  static absl::StatusOr<Model> Open(absl::string_view directory);

  const Checkpoint& checkpoint() const { return checkpoint_; }
  // What a dense model and one with experts share.
  const LlamaConfig& config() const {
    return DecoderConfig(checkpoint_.config());
  }
  // Null for a dense model.
  const MoeConfig* moe_config() const { return checkpoint_.moe_config(); }

  // The output embedding [V, H]: lm_head, or the input embedding where they
  // are tied.
  TensorName OutputEmbedding() const;
  int64_t PackedOutputBytes(LayerPasses passes) const;

  // Whether all weights are, or from now on will be, kept as `passes` need
  // them: if the budget has room. It must outlive the model.
  // What is kept for other passes stays where there is no room for more.
  bool Keep(LayerPasses passes, MemoryBudget& budget);
  // Gives up what is kept.
  void Forget() { kept_.reset(); }
  bool keeps(LayerPasses passes) const;

  // If keeps(): what is kept, read and packed when first asked for. The errors
  // of ReadWeight. Valid until Keep or Forget is called.
  absl::StatusOr<const DecoderLayerWeights*> KeptLayer(int64_t layer,
                                                       ThreadPool& pool);
  // The output embedding, as a linear layer.
  absl::StatusOr<const Linear*> KeptOutput(ThreadPool& pool);

 protected:
  explicit Model(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}

 private:
  int64_t KeptBytes(LayerPasses passes) const;

  Checkpoint checkpoint_;
  std::optional<internal::KeptWeights> kept_;
};

}  // namespace moe

#endif  // MOE_MODEL_WALK_MODEL_H_
