// Brings the blocks of a converted model back to the mean and variance of a
// reference, mostly those of the dense model it was made from (LLaMA-MoE v2,
// "alignment").
//
// The layers are walked once, in order. In each, first the attention, if it has
// experts, then the MLP, if it has: the block's output is measured on hidden
// states as they are after everything before has been aligned, the affine map
// s y + b is found (moe/align/block_alignment.h), and what goes on is the
// aligned output. The published code walks all layers before a block again for
// each block; as the output is affine in s and b, one walk does.
//
// Nothing is written here: moe/align/aligned_checkpoint.h writes the model in
// whose weights the maps are.

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

namespace moe {

struct AlignmentInputs {
  const TokenSequences& sequences;
  const Distribution& reference;
  std::string reference_path;  // For messages.
  AlignOptions options;
};

// What became of a block.
struct AlignedBlock {
  int64_t layer = 0;
  std::string part;  // "attn" or "mlp"
  int64_t num_dead = 0;
  int64_t num_without_root = 0;
  // MeanSymmetricKl of the whole block's output to the reference.
  std::optional<double> divergence_before;
  std::optional<double> divergence_after;
};

struct Alignment {
  // s and b of each block with experts, as block_alignment.h has them.
  ScaleFactors factors;
  std::vector<AlignedBlock> blocks;  // In the order of the walk.
  int64_t num_tokens = 0;
};

// Aligns all blocks that have experts. Blocks without go by as they are.
//
// What goes on after a block is float(float(s y) + b'), where b' is what the
// experts' biases in the checkpoint add: scale_factor times b / scale_factor as
// the checkpoint's type has it (PUBLISHED: times b). Where experts have biases
// already b' is b, rounded to float alone (scale_factor b). Hence the written
// model's outputs differ by roundings of float, and those of scaled weights in
// the checkpoint's type.
//
// The bits are a function of the model, the reference, the options and of which
// sequences there are.
//
// Cost: a walk, in which blocks with experts are held back, and 34 H operations
// in double for every token and block with experts, three times that beside a
// residual expert; and the same again for what comes after. Memory: that of
// WalkForward with a survey, and about 2.6 kB for each of the H features.
//
// The errors of ValidateAlignOptions, CheckAlignable, CheckReference,
// AlignBlock, with layer and part, and WalkForward.
absl::StatusOr<Alignment> AlignModel(Model& model,
                                     const AlignmentInputs& inputs,
                                     const WalkOptions& walk_options,
                                     const WalkResources& resources);

// What an alignment has done, as JSON and as a table.

// {"alignment_mode": "exact", "alignment_parts": "full", "blocks": [{"layer",
// "part", "divergence_before", "divergence_after", "num_dead_features",
// "num_features_without_root", "least_scale", "largest_scale",
// "largest_abs_bias"}]}. The divergences are MeanSymmetricKl of the block's
// whole output to the reference, null where every feature is dead.
Json AlignmentReportToJson(const Alignment& alignment,
                           const AlignOptions& options);

// Mode and parts, and a line for each block.
std::string FormatAlignmentReport(const Alignment& alignment,
                                  const AlignOptions& options);

}  // namespace moe

#endif  // MOE_ALIGN_ALIGN_MODEL_H_
