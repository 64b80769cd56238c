// How walks over a model run. Nothing here changes a bit of their results.

#ifndef MOE_MODEL_WALK_WALK_OPTIONS_H_
#define MOE_MODEL_WALK_WALK_OPTIONS_H_

#include <cstdint>
#include <string>

#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/spill_file.h"
#include "moe/base/thread_pool.h"
#include "moe/model/layer/decoder_layer.h"

namespace moe::model {

struct WalkOptions {
  // The most tokens that go through a layer together. There are fewer if the
  // memory budget is small, and more if a single sequence has more.
  int64_t tokens_at_once = 4096;
  LayerBlocks blocks;
  // Whether the model keeps its packed weights for the next walk, if the budget
  // has room for all of them. A single walk needs the weights of each layer
  // once.
  bool keep_weights = true;
  // Whether the weights of the next layer are read while a layer is computed,
  // if the budget has room for them.
  bool reads_ahead = true;
  // Where hidden states go that the memory budget has no room for.
  std::string spill_directory = base::SpillDirectory();
};

// What a walk uses. All must outlive it. The budget must outlive its result and
// the model, too.
struct WalkResources {
  base::MemoryBudget& budget;
  base::ThreadPool& pool;
  base::Progress& progress;
};

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_WALK_OPTIONS_H_
