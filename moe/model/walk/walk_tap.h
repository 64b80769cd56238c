// What looks at a walk over a model, and may change what its blocks put out.

#ifndef MOE_MODEL_WALK_WALK_TAP_H_
#define MOE_MODEL_WALK_WALK_TAP_H_

#include <cstdint>

#include "absl/status/status.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/model/walk/sequence_groups.h"

namespace moe {

// Rows of a tap's matrices are tokens [group.first_token, group.end_token()) of
// all.
struct TapContext {
  int64_t layer = 0;
  const SequenceGroup& group;
};

// Looks at a walk. In every layer, in ascending order: OnLayerStart; for every
// group, in ascending order, the three in between, in their order; OnLayerEnd.
// An error ends the walk.
class WalkTap {
 public:
  virtual ~WalkTap() = default;

  virtual absl::Status OnLayerStart(int64_t) { return absl::OkStatus(); }
  // The attention block's output [num_tokens, H], before it is added to the
  // hidden state. May be changed.
  virtual absl::Status OnAttentionOutput(const TapContext&, MatrixView<float>) {
    return absl::OkStatus();
  }
  // The MLP's input: the output of post_attention_layernorm.
  virtual absl::Status OnMlpInput(const TapContext&, MatrixView<const float>) {
    return absl::OkStatus();
  }
  // The MLP's output, before it is added. May be changed.
  virtual absl::Status OnMlpOutput(const TapContext&, MatrixView<float>) {
    return absl::OkStatus();
  }
  virtual absl::Status OnLayerEnd(int64_t) { return absl::OkStatus(); }
};

}  // namespace moe

#endif  // MOE_MODEL_WALK_WALK_TAP_H_
