// Gives the blocks of a converted model the mean and variance of a reference,
// usually those of the dense model that it was made from (LLaMA-MoE v2,
// "alignment").
//
// One walk goes through the layers in order. In each layer it treats the
// attention and then the MLP, if they have experts: it measures the block's
// output on hidden states for which everything before is aligned, finds the
// affine map s y + b (moe/align/block_alignment.h), and passes the aligned
// output on. The published code walks through all earlier layers again for each
// block. One walk is enough because the output is affine in s and b.
//
// This code writes nothing. moe/align/aligned_checkpoint.h writes the model
// with the maps in its weights.

#ifndef MOE_ALIGN_ALIGN_MODEL_H_
#define MOE_ALIGN_ALIGN_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/json.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align {

struct AlignmentInputs {
  const text::TokenSequences& sequences;
  const checkpoint::Distribution& reference;
  std::string reference_path;  // For messages.
  AlignOptions options;
};

// The result for a block.
struct AlignedBlock {
  int64_t layer = 0;
  std::string part;  // "attn" or "mlp"
  int64_t num_dead = 0;
  int64_t num_without_root = 0;
  // MeanSymmetricKl between the whole block's output and the reference.
  std::optional<double> divergence_before;
  std::optional<double> divergence_after;
};

struct Alignment {
  // s and b of block_alignment.h for each block with experts.
  checkpoint::ScaleFactors factors;
  std::vector<AlignedBlock> blocks;  // In the order of the walk.
  int64_t num_tokens = 0;
};

// Aligns all blocks that have experts. Other blocks stay as they are.
//
// The walk continues after a block with float(float(s y) + b'), where b' is
// what the experts' biases in the checkpoint add: scale_factor times b /
// scale_factor, rounded to the checkpoint's type (PUBLISHED: times b). If
// experts have biases already, b' is b, rounded to float alone (PUBLISHED:
// scale_factor b). So the outputs of the written model differ from these by
// roundings of float, and by those of scaled weights in the checkpoint's type.
//
// The bits are a function of the model, the reference, the options and the set
// of sequences.
//
// Cost: a walk that holds back the output of blocks with experts; 34 H
// operations in double for every token and block with experts, three times that
// with a residual expert; and 34 H again for the aligned output. Memory: that
// of WalkForward with a survey, and about 2.6 kB for each of the H features.
//
// Errors: those of CheckOptions, CheckAlignable, CheckReference, AlignBlock
// (with layer and part) and WalkForward.
absl::StatusOr<Alignment> AlignModel(model::Model& model,
                                     const AlignmentInputs& inputs,
                                     const model::WalkOptions& walk_options,
                                     const model::WalkResources& resources);

// {"alignment_mode": "exact", "alignment_parts": "full", "blocks": [{"layer",
// "part", "divergence_before", "divergence_after", "num_dead_features",
// "num_features_without_root", "least_scale", "largest_scale",
// "largest_abs_bias"}]}. The divergences are MeanSymmetricKl between the
// block's whole output and the reference; null if every feature is dead.
base::Json AlignmentReportToJson(const Alignment& alignment,
                                 const AlignOptions& options);

// Mode, parts, and a line for each block.
std::string FormatAlignmentReport(const Alignment& alignment,
                                  const AlignOptions& options);

}  // namespace moe::align

#endif  // MOE_ALIGN_ALIGN_MODEL_H_
