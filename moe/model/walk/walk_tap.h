// What looks at a walk over a model, and may change what its blocks put out.

#ifndef MOE_MODEL_WALK_WALK_TAP_H_
#define MOE_MODEL_WALK_WALK_TAP_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "moe/base/matrix_view.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/sequence_groups.h"

namespace moe {

// Rows of a tap's matrices are tokens [group.first_token, group.end_token()) of
// all.
struct TapContext {
  int64_t layer = 0;
  const SequenceGroup& group;
};

// Looks at a walk. In every layer, in ascending order: OnLayerStart; for every
// group, in ascending order, what follows for attention and then for the MLP,
// in its order; OnLayerEnd. An error ends the walk.
//
// A block that the tap surveys is computed for all groups before any of its
// output goes on: OnRouting (OnMlpInput before it) and OnSurvey for every
// group; OnSurveyEnd; and only then, again for every group, OnBlockParts and
// what follows. So a tap may change a block's output by what it has seen of all
// tokens. The walk then keeps the output of all tokens, [T, H] or with a
// residual expert twice that, in memory or spilled.
class WalkTap {
 public:
  virtual ~WalkTap() = default;

  virtual absl::Status OnLayerStart(int64_t) { return absl::OkStatus(); }
  virtual bool Surveys(int64_t /*layer*/, DecoderBlock) const { return false; }

  // The MLP's input: the output of post_attention_layernorm.
  virtual absl::Status OnMlpInput(const TapContext&, MatrixView<const float>) {
    return absl::OkStatus();
  }
  // Of a block with experts, what each of them gets: rows of the group.
  virtual absl::Status OnRouting(const TapContext&, DecoderBlock,
                                 const std::vector<ExpertTokens>&) {
    return absl::OkStatus();
  }
  // Where Surveys says so: what the block put out, its parts by themselves.
  // Not to be changed here.
  virtual absl::Status OnSurvey(const TapContext&, DecoderBlock,
                                const BlockOutput&) {
    return absl::OkStatus();
  }
  virtual absl::Status OnSurveyEnd(int64_t /*layer*/, DecoderBlock) {
    return absl::OkStatus();
  }
  // What a block put out, before a residual expert's part is added to the
  // others'. May be changed.
  virtual absl::Status OnBlockParts(const TapContext&, DecoderBlock,
                                    const BlockOutput&) {
    return absl::OkStatus();
  }
  // The whole output of the block [num_tokens, H], before it is added to the
  // hidden state. May be changed.
  virtual absl::Status OnAttentionOutput(const TapContext&, MatrixView<float>) {
    return absl::OkStatus();
  }
  virtual absl::Status OnMlpOutput(const TapContext&, MatrixView<float>) {
    return absl::OkStatus();
  }
  virtual absl::Status OnLayerEnd(int64_t) { return absl::OkStatus(); }
};

}  // namespace moe

#endif  // MOE_MODEL_WALK_WALK_TAP_H_
