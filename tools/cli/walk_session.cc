#include "tools/cli/walk_session.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/dataset_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddWalkFlags(FlagSet& flags, WalkFlags* values, const std::string& model) {
  AddModelPath(flags, model, "", &values->model_path);
  AddDatasetFlags(flags, &values->dataset);
  AddMemoryBudget(flags, &values->memory_budget);
}

template <typename ModelType>
absl::StatusOr<std::unique_ptr<WalkSessionOf<ModelType>>>
WalkSessionOf<ModelType>::Open(const WalkFlags& flags, Progress& progress) {
  MOE_RETURN_IF_ERROR(SimdTargetFromEnvironment().status());
  MOE_ASSIGN_OR_RETURN(const int64_t budget_bytes,
                       MemoryBudgetOfFlag(flags.memory_budget));
  MOE_ASSIGN_OR_RETURN(const int num_threads, NumThreadsFromEnvironment());
  auto session =
      absl::WrapUnique(new WalkSessionOf(budget_bytes, num_threads, progress));
  MOE_ASSIGN_OR_RETURN(ModelType model, ModelType::Open(flags.model_path));
  session->model_ = std::make_unique<ModelType>(std::move(model));
  MOE_ASSIGN_OR_RETURN(
      session->dataset_,
      LoadDatasetOfFlags(flags.dataset, flags.model_path,
                         session->model_->config(), session->pool_, progress));
  return session;
}

template class WalkSessionOf<DenseModel>;
template class WalkSessionOf<Model>;

WalkOptions SingleWalk() {
  WalkOptions options;
  options.keep_weights = false;
  return options;
}

}  // namespace moe::cli
