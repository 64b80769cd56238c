// Whether a converted model can have been made from a dense one.

#ifndef MOE_RECONSTRUCT_MADE_FROM_H_
#define MOE_RECONSTRUCT_MADE_FROM_H_

#include "absl/status/status.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"

namespace moe::reconstruct {

// InvalidArgument, with both directories and what is wrong, unless `dense` is a
// dense model and `converted` can have been made from it: the same decoder but
// for the MLPs' sizes, and the same numbers in the embedding, the norms and the
// head, which no conversion changes. Reads these tensors.
absl::Status CheckMadeFrom(const checkpoint::Checkpoint& converted,
                           const checkpoint::Checkpoint& dense);

// InvalidArgument, with the directory, if `checkpoint` is a dense one with as
// many neurons as `dense` has: then there is nothing to refit.
absl::Status CheckConverted(const checkpoint::Checkpoint& checkpoint,
                            const checkpoint::LlamaConfig& dense);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_MADE_FROM_H_
