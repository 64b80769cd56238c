// The checkpoint of a reconstructed model: the original one, with the refitted
// matrices in their places.

#ifndef MOE_RECONSTRUCT_RECONSTRUCTED_CHECKPOINT_H_
#define MOE_RECONSTRUCT_RECONSTRUCTED_CHECKPOINT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"
#include "moe/reconstruct/refitted_weights.h"

namespace moe::reconstruct {

// Checks before hours of work whether the checkpoint could be written. The
// errors of CheckConversionOutput.
absl::Status CheckReconstructedOutput(const checkpoint::Checkpoint& from,
                                      const convert::ConversionOutput& output);

// Writes `from`, a model with experts or a dense one, with the data of the
// tensors that `weights` has. Names, types, shapes, shards, config.json and the
// other files stay as they are. The errors of WriteConversion, and of reading
// the weights.
absl::StatusOr<convert::WrittenCheckpoint> WriteReconstructedCheckpoint(
    const checkpoint::Checkpoint& from, const RefittedWeights& weights,
    const convert::ConversionOutput& output,
    const convert::ConversionResources& resources);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_RECONSTRUCTED_CHECKPOINT_H_
