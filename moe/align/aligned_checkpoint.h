// The checkpoint of an aligned model: the original one, with the affine maps of
// its blocks in the experts' weights.

#ifndef MOE_ALIGN_ALIGNED_CHECKPOINT_H_
#define MOE_ALIGN_ALIGNED_CHECKPOINT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/align/align_options.pb.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"

namespace moe::align {

// Checks before hours of work whether the checkpoint could be written. The
// errors of CheckAlignable, and of CheckpointWriter::Create, which checks the
// path and the free space.
absl::Status CheckAlignedOutput(const checkpoint::Checkpoint& from,
                                const AlignOptions& options,
                                const convert::ConversionOutput& output);

// Writes `from` with, in every block that has experts,
//
//   W' = diag(s) W       for every expert's w2 or o_proj: each product in
//                        float32, rounded to the tensor's type
//   d' = s d + b / scale_factor (PUBLISHED: b)   for its bias: rounded once to
//                        float and once to the tensor's type; d is the old
//                        bias, or 0 if there is none
//
// with s and b from `factors`. Shards, order, other tensors and other files
// stay as they are. Parts FULL: config.json says add_rescale_bias, and every
// expert has a bias, which follows its matrix. MAGNITUDE: b = 0, config.json
// does not change, and only experts that had a bias have one.
//
// Bits: the directory is a function of the input's files, the factors and the
// options.
//
// InvalidArgument if an option is not valid, the model cannot be aligned, the
// factors belong to other blocks, or (with the tensor) a weight or bias is
// beyond its type; the errors of WriteConversion.
absl::StatusOr<convert::WrittenCheckpoint> WriteAlignedCheckpoint(
    const checkpoint::Checkpoint& from, const checkpoint::ScaleFactors& factors,
    const AlignOptions& options, const convert::ConversionOutput& output,
    const convert::ConversionResources& resources);

}  // namespace moe::align

#endif  // MOE_ALIGN_ALIGNED_CHECKPOINT_H_
