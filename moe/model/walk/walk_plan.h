// What every walk over a model settles before it starts: that the sequences can
// be computed with, which of them go through a layer together, and the memory
// for it.

#ifndef MOE_MODEL_WALK_WALK_PLAN_H_
#define MOE_MODEL_WALK_WALK_PLAN_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/memory_budget.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/rotary_tables.h"
#include "moe/model/walk/layer_weight_stream.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/sequence_groups.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

// InvalidArgument if there is no sequence, or a token id or a label that is not
// ignored has no row in the embedding; names the sequence and the position.
absl::Status CheckSequences(const LlamaConfig& config,
                            const TokenSequences& sequences);

// What a decoder layer takes beside weights and hidden states, at most, for so
// many tokens at once of sequences that are at most `longest` tokens long.
struct LayerWork {
  int64_t num_tokens = 0;
  int64_t longest = 0;
  int num_threads = 1;
  LayerBlocks blocks;
};
int64_t LayerWorkBytes(const CheckpointConfig& config, LayerPasses passes,
                       const LayerWork& work);

struct WalkPlan {
  RotaryTables rotary;
  std::vector<SequenceGroup> groups;
  // Activations of a group; the output head's, while no layer is computed.
  MemoryBudget::Reservation work;
  LayerWeightMemory weights;
};

// The errors of CheckSequences and RotaryTables, with the sequence;
// ResourceExhausted if not even one sequence at a time, and one layer's
// weights, have room in the budget.
// What the model has kept for other walks is given up if it is in the way.
absl::StatusOr<WalkPlan> PlanWalk(Model& model, const TokenSequences& sequences,
                                  LayerPasses passes,
                                  const WalkOptions& options,
                                  const WalkResources& resources);

// After hidden states have taken their memory: has the model keep its weights
// in what is left, if that is enough, in place of the plan's room for them.
// Nothing if the options do not ask for it.
absl::Status KeepWeightsIfTheyFit(Model& model, LayerPasses passes,
                                  const WalkOptions& options,
                                  MemoryBudget& budget, WalkPlan& plan);

}  // namespace moe

#endif  // MOE_MODEL_WALK_WALK_PLAN_H_
