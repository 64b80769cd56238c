#include "moe/steps/walk_session.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/byte_size.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::steps {

absl::StatusOr<checkpoint::LlamaConfig> DenseConfigOf(
    const std::string& model_path) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(model_path));
  if (checkpoint.dense_config() != nullptr) return *checkpoint.dense_config();
  return absl::InvalidArgumentError(absl::StrCat(
      model_path, ": expected a dense checkpoint, found a Mixture of Experts"));
}

namespace {

absl::StatusOr<text::LoadedDataset> LoadDatasetOf(
    const StepRequest& request, const checkpoint::LlamaConfig& config,
    base::ThreadPool& pool, base::Progress& progress) {
  const std::string model_path = request.Path(kModelPathFlag);
  text::DatasetRequest wanted;
  wanted.path = request.Path(kDatasetFlag);
  wanted.embedding_rows = config.vocab_size;
  wanted.tokenize = request.tokenize;
  wanted.batch = request.batch;
  // Neither a token artifact nor lines of token ids need a tokenizer; where one
  // is needed, that there is none explains the error.
  const absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer =
      text::LoadTokenizer(model_path, text::TextEndsOf(wanted.tokenize));
  if (!tokenizer.ok() && !absl::IsNotFound(tokenizer.status())) {
    return tokenizer.status();
  }
  wanted.tokenizer = tokenizer.ok() ? tokenizer->get() : nullptr;
  MOE_ASSIGN_OR_RETURN(wanted.chat_template,
                       text::LoadChatTemplate(model_path));
  absl::StatusOr<text::LoadedDataset> dataset =
      text::LoadDataset(wanted, pool, progress);
  if (dataset.ok() || tokenizer.ok()) return dataset;
  return base::Annotate(dataset.status(), tokenizer.status().message());
}

}  // namespace

absl::StatusOr<int64_t> MemoryBudgetOf(const std::string& value) {
  if (!value.empty()) {
    absl::StatusOr<int64_t> bytes = base::ParseByteSize(value);
    return bytes.ok() ? bytes
                      : base::Annotate(bytes.status(), "--memory_budget");
  }
  const std::optional<int64_t> available = base::AvailableMemoryBytes();
  return available.has_value() ? *available / 4 * 3
                               : base::MemoryBudget::kUnlimited;
}

template <typename ModelType>
absl::StatusOr<std::unique_ptr<WalkSessionOf<ModelType>>>
WalkSessionOf<ModelType>::Open(const StepRequest& request,
                               base::Progress& progress) {
  MOE_RETURN_IF_ERROR(kernels::SimdTargetFromEnvironment().status());
  MOE_ASSIGN_OR_RETURN(const int64_t budget_bytes,
                       MemoryBudgetOf(request.memory_budget));
  MOE_ASSIGN_OR_RETURN(const int num_threads,
                       base::NumThreadsFromEnvironment());
  auto session =
      absl::WrapUnique(new WalkSessionOf(budget_bytes, num_threads, progress));
  MOE_ASSIGN_OR_RETURN(ModelType model,
                       ModelType::Open(request.Path(kModelPathFlag)));
  session->model_ = std::make_unique<ModelType>(std::move(model));
  MOE_ASSIGN_OR_RETURN(session->dataset_,
                       LoadDatasetOf(request, session->model_->config(),
                                     session->pool_, progress));
  return session;
}

template class WalkSessionOf<model::DenseModel>;
template class WalkSessionOf<model::Model>;

model::WalkOptions SingleWalk() {
  model::WalkOptions options;
  options.keep_weights = false;
  return options;
}

}  // namespace moe::steps
