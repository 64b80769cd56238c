// What a step that walks over a model works with: the model, the dataset, the
// memory and the threads.

#ifndef MOE_STEPS_WALK_SESSION_H_
#define MOE_STEPS_WALK_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::steps {

// The configuration of a dense checkpoint, for steps that need no weights. The
// errors of Checkpoint::Open; InvalidArgument if it is not dense.
absl::StatusOr<checkpoint::LlamaConfig> DenseConfigOf(
    const std::string& model_path);

// The size that --memory_budget names. An empty value stands for three quarters
// of the available memory. InvalidArgument, with the flag, for what is no size.
absl::StatusOr<int64_t> MemoryBudgetOf(const std::string& value);

// `ModelType` is DenseModel or Model.
template <typename ModelType>
class WalkSessionOf {
 public:
  // Opens the model and loads the dataset, tokenized by the tokenizer that lies
  // beside the model unless it is a token artifact. The errors of
  // MOE_NUM_THREADS and MOE_SIMD_TARGET, MemoryBudgetOf, ModelType::Open,
  // LoadTokenizer and LoadDataset.
  static absl::StatusOr<std::unique_ptr<WalkSessionOf>> Open(
      const StepRequest& request, base::Progress& progress);

  WalkSessionOf(const WalkSessionOf&) = delete;
  WalkSessionOf& operator=(const WalkSessionOf&) = delete;

  ModelType& model() { return *model_; }
  const text::LoadedDataset& dataset() const { return dataset_; }
  const text::TokenSequences& sequences() const {
    return dataset_.batches.sequences();
  }
  model::WalkResources resources() { return {budget_, pool_, progress_}; }

 private:
  WalkSessionOf(int64_t budget_bytes, int num_threads, base::Progress& progress)
      : budget_(budget_bytes), pool_(num_threads), progress_(progress) {}

  base::MemoryBudget budget_;
  base::ThreadPool pool_;
  base::Progress& progress_;
  // After the budget, which counts its weights.
  std::unique_ptr<ModelType> model_;
  text::LoadedDataset dataset_;
};

using WalkSession = WalkSessionOf<model::DenseModel>;
using AnyWalkSession = WalkSessionOf<model::Model>;

// For steps that walk once: packed weights are of no use afterwards.
model::WalkOptions SingleWalk();

}  // namespace moe::steps

#endif  // MOE_STEPS_WALK_SESSION_H_
