// Taps: code that sees a walk over a model and may change the outputs of its
// blocks.

#ifndef MOE_MODEL_WALK_WALK_TAP_H_
#define MOE_MODEL_WALK_WALK_TAP_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "moe/base/matrix_view.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/sequence_groups.h"

namespace moe::model {

// The rows of a tap's matrices are the tokens [group.first_token,
// group.end_token()) of all.
struct TapContext {
  int64_t layer = 0;
  const SequenceGroup& group;
};

// The walk calls these functions for every layer, in ascending order: first
// OnLayerStart; then, for every group in ascending order, the functions below
// for the attention and then for the MLP, in the order of their declaration;
// last OnLayerEnd. An error ends the walk.
//
// A block that the tap surveys is computed for all groups before any of its
// output is used. The walk calls OnMlpInput, OnRouting and OnSurvey for every
// group, then OnSurveyEnd, and only then OnBlockParts and what follows, again
// for every group. So a tap can change a block's output by what it has seen of
// all tokens. The walk keeps the output of all tokens meanwhile, [T, H] or with
// a residual expert twice that, in memory or spilled.
class WalkTap {
 public:
  virtual ~WalkTap() = default;

  virtual absl::Status OnLayerStart(int64_t) { return absl::OkStatus(); }
  virtual bool Surveys(int64_t /*layer*/, DecoderBlock) const { return false; }

  // The MLP's input: the output of post_attention_layernorm.
  virtual absl::Status OnMlpInput(const TapContext&,
                                  base::MatrixView<const float>) {
    return absl::OkStatus();
  }
  // The inputs of a block's last product, part by part.
  virtual absl::Status OnFeatures(const TapContext&, const BlockFeatures&) {
    return absl::OkStatus();
  }
  // For a block with experts: the rows of the group that each expert gets.
  virtual absl::Status OnRouting(const TapContext&, DecoderBlock,
                                 const std::vector<ExpertTokens>&) {
    return absl::OkStatus();
  }
  // Only for blocks that Surveys names: the parts of the block's output. They
  // must not be changed here.
  virtual absl::Status OnSurvey(const TapContext&, DecoderBlock,
                                const BlockOutput&) {
    return absl::OkStatus();
  }
  virtual absl::Status OnSurveyEnd(int64_t /*layer*/, DecoderBlock) {
    return absl::OkStatus();
  }
  // The parts of a block's output, before that of a residual expert is added to
  // the other. They may be changed.
  virtual absl::Status OnBlockParts(const TapContext&, DecoderBlock,
                                    const BlockOutput&) {
    return absl::OkStatus();
  }
  // The whole output of the block [num_tokens, H], before it is added to the
  // hidden state. It may be changed.
  virtual absl::Status OnAttentionOutput(const TapContext&,
                                         base::MatrixView<float>) {
    return absl::OkStatus();
  }
  virtual absl::Status OnMlpOutput(const TapContext&, base::MatrixView<float>) {
    return absl::OkStatus();
  }
  // The hidden state after the layer [num_tokens, H].
  virtual absl::Status OnLayerOutput(const TapContext&,
                                     base::MatrixView<const float>) {
    return absl::OkStatus();
  }
  virtual absl::Status OnLayerEnd(int64_t) { return absl::OkStatus(); }
};

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_WALK_TAP_H_
