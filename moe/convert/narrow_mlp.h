// A dense checkpoint whose MLPs have fewer neurons: a plain model of the same
// kind, which every program loads that loads the dense one.
//
// Which neurons to keep is the caller's to say. Weights are moved, never
// recomputed.

#ifndef MOE_CONVERT_NARROW_MLP_H_
#define MOE_CONVERT_NARROW_MLP_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {

// The neurons that each layer keeps: one or more, as many in every layer, each
// one once.
using KeptNeurons = std::vector<std::vector<int64_t>>;

// Checks before hours of work whether the checkpoint could be written, with
// `num_neurons` in each layer. `dense` must be dense. The errors of
// CheckConversionOutput.
absl::Status CheckNarrowOutput(const checkpoint::Checkpoint& dense,
                               int64_t num_neurons,
                               const ConversionOutput& output);

// Writes `dense` with, in layer l and for n = kept[l],
//
//   rows n of gate_proj and up_proj, and of their biases
//   columns n of down_proj
//
// in the order of the list. All other tensors stay, the bias of down_proj
// among them, and so does config.json but for intermediate_size. The errors of
// WriteConversion. Memory as ConvertMlp.
//
// Bits: the directory is a function of the input's files and of `kept`.
absl::StatusOr<WrittenCheckpoint> WriteNarrowCheckpoint(
    const checkpoint::Checkpoint& dense, const KeptNeurons& kept,
    const ConversionOutput& output, const ConversionResources& resources);

}  // namespace moe::convert

#endif  // MOE_CONVERT_NARROW_MLP_H_
