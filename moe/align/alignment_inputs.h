// Checks which models can be aligned, in which blocks and with which
// references; and the bias that an aligned expert carries.

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

namespace moe::align {

// The blocks of a layer that have experts. Only these are aligned.
checkpoint::LayerParts<bool> BlocksWithExperts(
    const checkpoint::MoeConfig& config, int64_t layer);

// InvalidArgument, with the directory, if the model is dense, or if it has the
// biases of an alignment and options.realign() is false.
absl::Status CheckAlignable(const checkpoint::Checkpoint& checkpoint,
                            const AlignOptions& options);

// InvalidArgument, with `where` (the path), layer and part, unless `reference`
// is that of a model of this shape and has moments of at least one token for
// every block with experts.
absl::Status CheckReference(const checkpoint::MoeConfig& config,
                            const checkpoint::Distribution& reference,
                            absl::string_view where);

// InvalidArgument, with `where`, layer and part, unless exactly the blocks with
// experts have factors.
absl::Status CheckFactors(const checkpoint::MoeConfig& config,
                          const checkpoint::ScaleFactors& factors,
                          absl::string_view where);

// The bias of each expert with which a block adds `bias` to its output. The
// weights of the experts sum to 1, and the block multiplies the sum by its
// scale factor: so each expert carries `bias` / `scale_factor`. PUBLISHED: each
// carries `bias` itself, and the block adds `scale_factor` times that.
double ExpertBias(float bias, double scale_factor, AlignOptions::Mode mode);

// `value` as a tensor of type `dtype` stores it: rounded to float and then to
// the type, to nearest even. InvalidArgument if it is beyond the type.
absl::StatusOr<float> RoundToWeight(checkpoint::Dtype dtype, double value);

}  // namespace moe::align

#endif  // MOE_ALIGN_ALIGNMENT_INPUTS_H_
