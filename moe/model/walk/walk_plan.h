// The plan that every walk over a model makes before it starts: it checks the
// sequences, groups those that go through a layer together, and reserves
// memory.

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

namespace moe::model {

// InvalidArgument if there is no sequence, or (with sequence and position) if
// the embedding has no row for a token id or for a label that is not ignored.
absl::Status CheckSequences(const checkpoint::LlamaConfig& config,
                            const text::TokenSequences& sequences);

// The most memory that a decoder layer takes beside weights and hidden states,
// for `num_tokens` tokens at once of sequences with at most `longest` tokens.
struct LayerWork {
  int64_t num_tokens = 0;
  int64_t longest = 0;
  int num_threads = 1;
  LayerBlocks blocks;
};
int64_t LayerWorkBytes(const checkpoint::CheckpointConfig& config,
                       LayerPasses passes, const LayerWork& work);

struct WalkPlan {
  RotaryTables rotary;
  std::vector<SequenceGroup> groups;
  // For the activations of a group, or for the output head while no layer runs.
  base::MemoryBudget::Reservation work;
  LayerWeightMemory weights;
};

// The errors of CheckSequences and RotaryTables, with the sequence;
// ResourceExhausted if the budget has no room for one sequence at a time and
// the weights of one layer. If necessary, frees what the model has kept for
// other walks.
absl::StatusOr<WalkPlan> PlanWalk(Model& model,
                                  const text::TokenSequences& sequences,
                                  LayerPasses passes,
                                  const WalkOptions& options,
                                  const WalkResources& resources);

// Makes the model keep its weights in what is left of the budget, if it is
// enough, and frees the plan's room for them. Call it after the hidden states
// have taken their memory. Does nothing if the options do not ask for it.
absl::Status KeepWeightsIfTheyFit(Model& model, LayerPasses passes,
                                  const WalkOptions& options,
                                  base::MemoryBudget& budget, WalkPlan& plan);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_WALK_PLAN_H_
