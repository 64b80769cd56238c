// What every command works with that walks over a model: the model, the
// dataset, the memory and the threads.

#ifndef TOOLS_CLI_WALK_SESSION_H_
#define TOOLS_CLI_WALK_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/token_sequences.h"
#include "tools/cli/dataset_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

struct WalkFlags {
  std::string model_path;
  DatasetFlags dataset;
  std::string memory_budget;
};

// --model_path, which takes `model`, those of AddDatasetFlags, --memory_budget.
void AddWalkFlags(FlagSet& flags, WalkFlags* values,
                  const std::string& model = "directory of a dense checkpoint");

// Of a DenseModel, or of any Model.
template <typename ModelType>
class WalkSessionOf {
 public:
  // Opens the model and loads the dataset. The errors of the flags, of
  // MOE_NUM_THREADS and MOE_SIMD_TARGET, ModelType::Open and
  // LoadDatasetOfFlags.
  static absl::StatusOr<std::unique_ptr<WalkSessionOf>> Open(
      const WalkFlags& flags, Progress& progress);

  WalkSessionOf(const WalkSessionOf&) = delete;
  WalkSessionOf& operator=(const WalkSessionOf&) = delete;

  ModelType& model() { return *model_; }
  const LoadedDataset& dataset() const { return dataset_; }
  const TokenSequences& sequences() const {
    return dataset_.batches.sequences();
  }
  WalkResources resources() { return {budget_, pool_, progress_}; }

 private:
  WalkSessionOf(int64_t budget_bytes, int num_threads, Progress& progress)
      : budget_(budget_bytes), pool_(num_threads), progress_(progress) {}

  MemoryBudget budget_;
  ThreadPool pool_;
  Progress& progress_;
  // After the budget, which counts its weights.
  std::unique_ptr<ModelType> model_;
  LoadedDataset dataset_;
};

using WalkSession = WalkSessionOf<DenseModel>;
using AnyWalkSession = WalkSessionOf<Model>;

// For commands that walk once: packed weights are of no use afterwards.
WalkOptions SingleWalk();

}  // namespace moe::cli

#endif  // TOOLS_CLI_WALK_SESSION_H_
