// Which models can be aligned, in which blocks, and with which references.

#ifndef MOE_ALIGN_ALIGNMENT_INPUTS_H_
#define MOE_ALIGN_ALIGNMENT_INPUTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/align/align_options.pb.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"

namespace moe {

// The blocks of a layer that have experts: those are aligned.
LayerParts<bool> BlocksWithExperts(const MoeConfig& config, int64_t layer);

// InvalidArgument, with the directory, for a dense model, and for one with the
// biases of an alignment unless `options` say to align it again.
absl::Status CheckAlignable(const Checkpoint& checkpoint,
                            const AlignOptions& options);

// OK if `reference` has moments, of one token at least, for every block with
// experts, and is otherwise that of a model of this shape.
// InvalidArgument, with `where` (the path), layer and part, if not.
absl::Status CheckReference(const MoeConfig& config,
                            const Distribution& reference,
                            absl::string_view where);

// OK if `factors` are of exactly the blocks with experts.
// InvalidArgument, with `where`, layer and part, if not.
absl::Status CheckFactors(const MoeConfig& config, const ScaleFactors& factors,
                          absl::string_view where);

// The bias that every expert of a block carries, so that the block adds another
// to its output.

// Experts are weighted with a sum of 1, and what comes out is multiplied by the
// block's scale factor: so each carries `bias` / `scale_factor`. PUBLISHED:
// `bias` itself, and the block adds `scale_factor` times that.
double ExpertBias(float bias, double scale_factor, AlignOptions::Mode mode);

// The number that a tensor of a weight type has for `value`: rounded to float,
// then to the type, to nearest even. InvalidArgument where that is beyond the
// type.
absl::StatusOr<float> RoundToWeight(Dtype dtype, double value);

}  // namespace moe

#endif  // MOE_ALIGN_ALIGNMENT_INPUTS_H_
