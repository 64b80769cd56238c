// How walks over a model are run. Nothing here changes a bit of what they give.

#ifndef MOE_MODEL_WALK_WALK_OPTIONS_H_
#define MOE_MODEL_WALK_WALK_OPTIONS_H_

#include <cstdint>
#include <string>

#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/spill_file.h"
#include "moe/base/thread_pool.h"
#include "moe/model/layer/decoder_layer.h"

namespace moe {

struct WalkOptions {
  // Through a layer together, at most; fewer where the memory budget is small,
  // more where a single sequence has more.
  int64_t tokens_at_once = 4096;
  LayerBlocks blocks;
  // Have the model keep its packed weights for the next walk, where the budget
  // has room for them all. A single walk needs each layer's once.
  bool keep_weights = true;
  // For hidden states that the memory budget has no room for.
  std::string spill_directory = SpillDirectory();
};

// What a walk works with. All must outlive it; the budget also what it gives
// and the model.
struct WalkResources {
  MemoryBudget& budget;
  ThreadPool& pool;
  Progress& progress;
};

}  // namespace moe

#endif  // MOE_MODEL_WALK_WALK_OPTIONS_H_
