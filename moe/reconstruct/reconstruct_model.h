// Refits a converted model to the dense one that it was made from, without
// training: closed-form ridge regressions that one walk over both models, layer
// by layer, solves in order.
//
// For each block with refitted weights W0 = [W_1 | W_2 | ...], the matrices of
// its experts side by side, and features phi_t (block_features.h):
//
//   e_t = y_t - output_t               what the block's output lacks
//   W = W0 + R (G + lambda I)^-1       G = sum w_t phi_t phi_t^T,
//                                      R = sum w_t e_t phi_t^T
//
// The ridge lambda = ridge * mean(diag G) pulls to the weights that are there,
// not to zero. W is rounded to the checkpoint's type, and the walk goes on with
// the outputs of the rounded weights: the hidden states are those of the model
// that is written, to the bit.
//
// DENSE_STREAM: y_t = dense hidden state behind the block - converted hidden
// state before it. DENSE_BLOCK: y_t = the dense block's output for the
// converted hidden state. w_t: TokenWeights of the dense hidden states behind
// the block.
//
// A block is left as it is while nothing differs from the dense model: neither
// the hidden states before it nor the block.
//
// This code writes no checkpoint; reconstructed_checkpoint.h does.

#ifndef MOE_RECONSTRUCT_RECONSTRUCT_MODEL_H_
#define MOE_RECONSTRUCT_RECONSTRUCT_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/reconstruct/reconstruct_options.pb.h"
#include "moe/reconstruct/refitted_weights.h"
#include "moe/reconstruct/routed_energy.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {

// The result for a block. Errors are relative:
// sqrt(sum w_t |y_t - output_t|^2 / sum w_t |y_t|^2).
struct RefittedBlock {
  int64_t layer = 0;
  std::string part;  // kMlpPart or kAttentionPart
  int64_t num_features = 0;
  double error_before = 0.0;
  double error_after = 0.0;
  double lambda = 0.0;
  double pivot_ratio = 0.0;
  // Before the refit, for the MLPs that have experts.
  std::optional<RoutedEnergy> energy = std::nullopt;
};

struct Reconstruction {
  RefittedWeights weights;
  std::vector<RefittedBlock> blocks;  // In the order of the walk.
  int64_t num_tokens = 0;
};

struct ReconstructionInputs {
  model::Model& dense;
  model::Model& converted;
  const text::TokenSequences& sequences;
  ReconstructOptions options;
};

// Bits: a function of the two models, the options and the set of sequences.
//
// Cost: two forwards of the converted model and one of the dense; for each
// token and block with N features (N^2 + 2 N H) operations in double, and
// N^3 / 3 + 2 H N^2 for each block; for MLPs with experts what RoutedEnergySums
// takes. Memory: three times [T, H] floats, spilled past the budget;
// 8 N (N + H) bytes and the features of a group of sequences.
//
// Errors: those of ValidateReconstructOptions, CheckMadeFrom, CheckSequences
// and WalkForward;
// InvalidArgument, with layer and block, if a ridge of 0 has fewer tokens than
// features, the sums are not positive definite, or a weight is beyond its type;
// ResourceExhausted if the budget has no room for the sums.
absl::StatusOr<Reconstruction> ReconstructModel(
    const ReconstructionInputs& inputs, const model::WalkOptions& walk_options,
    const model::WalkResources& resources);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_RECONSTRUCT_MODEL_H_
