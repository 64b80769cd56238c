// How much of the routed experts' energy the router of a converted MLP
// captures, and how much the best choice of as many experts would.
//
// V_tn is that of energy_sums.h for the activations and matrices of the
// converted block, S_te its sum over the neurons of routed expert e, and k the
// number of experts that a token has:
//
//   captured = sum_t sum of S_te over the experts e that t has
//   oracle   = sum_t sum of the k largest S_te
//   routed   = sum_t sum over all e of S_te
//   shared   = sum_t sum of V_tn over the neurons of the residual expert
//
// So a reconstruction can tell what its routers lose from what its matrices
// cannot express.

#ifndef MOE_RECONSTRUCT_ROUTED_ENERGY_H_
#define MOE_RECONSTRUCT_ROUTED_ENERGY_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/mlp_block.h"
#include "moe/reconstruct/block_features.h"

namespace moe::reconstruct {

struct RoutedEnergy {
  double captured = 0.0;
  double oracle = 0.0;
  double routed = 0.0;
  double shared = 0.0;
};

// Adds up a block's energies while it is computed for all tokens.
//
// Bits: S_te is float(sum of V_tn over ascending n); sums over tokens are those
// of AddChosenEnergy. So captured <= oracle <= routed to the last bit, and no
// result depends on threads, SIMD target or groups of tokens.
//
// Cost: the gate and up products of all routed experts for each token, 2 I H
// multiply-adds, and I additions in double. Memory: SizeBytes.
class RoutedEnergySums {
 public:
  // For the MLP of `layer`, which must have experts and outlive the result, as
  // `layout` must, its place in the checkpoint. The errors of ColumnNorms.
  static absl::StatusOr<std::unique_ptr<RoutedEnergySums>> Create(
      const checkpoint::Checkpoint& checkpoint, const BlockLayout& layout,
      const model::DecoderLayer& layer, base::ThreadPool& pool);

  // The memory for up to `num_tokens` tokens in a batch, for the layer that
  // takes the most; 0 if none has experts.
  static int64_t SizeBytes(const checkpoint::Checkpoint& checkpoint,
                           const model::LayerBlocks& blocks,
                           int64_t num_tokens);

  // Makes `taps` add the tokens of `batch`, with their weights w_t, too, in the
  // MlpBlockForward that they are given to next. InvalidArgument there if an
  // activation is NaN or infinite. Batches come in the order of the tokens.
  void Watch(const model::LayerBatch& batch, absl::Span<const float> weights,
             model::LayerTaps& taps);

  // InvalidArgument if a sum is NaN or infinite.
  absl::StatusOr<RoutedEnergy> Finish() const;

 private:
  RoutedEnergySums(const BlockLayout& layout, const model::DecoderLayer& layer,
                   std::vector<double> norms, base::ThreadPool& pool)
      : layout_(layout), layer_(layer), norms_(std::move(norms)), pool_(pool) {}

  int64_t num_experts() const;
  absl::Span<const double> NormsOf(const OutputMatrix& matrix) const;
  absl::Status SumExperts(base::MatrixView<const float> input);
  void AddChoice(const std::vector<model::ExpertTokens>& experts);
  void AddShared(const model::BlockFeatures& part);

  const BlockLayout& layout_;
  const model::DecoderLayer& layer_;
  std::vector<double> norms_;  // |d_n|^2, [num_features]
  base::ThreadPool& pool_;
  model::LayerBatch batch_;
  absl::Span<const float> weights_;
  base::Matrix<float> sums_;  // S_te of the batch.
  RoutedEnergy energy_;
};

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_ROUTED_ENERGY_H_
