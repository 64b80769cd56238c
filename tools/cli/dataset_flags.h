// The flags of every command that runs a model over a dataset, and what they
// ask for.

#ifndef TOOLS_CLI_DATASET_FLAGS_H_
#define TOOLS_CLI_DATASET_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/load_dataset.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

struct DatasetFlags {
  std::string dataset;
  std::string chat_template = "auto";
  bool keep_system = false;
  // Nothing said takes any token artifact.
  std::optional<int64_t> model_max_length;
  bool skip_bad_lines = false;
  int64_t seed = 0;
  bool no_shuffle = false;
  std::optional<int64_t> max_steps;
  int64_t batch_size = kDefaultBatchSize;
};

void AddDatasetFlags(FlagSet& flags, DatasetFlags* values);

// The dataset, tokenized by the tokenizer that lies beside the model unless it
// is a token artifact. The errors of LoadTokenizer and LoadDataset.
absl::StatusOr<LoadedDataset> LoadDatasetOfFlags(const DatasetFlags& flags,
                                                 const std::string& model_path,
                                                 const LlamaConfig& config,
                                                 ThreadPool& pool,
                                                 Progress& progress);

// --memory_budget. Empty stands for three quarters of the memory that is
// available.
void AddMemoryBudget(FlagSet& flags, std::string* value);
// InvalidArgument, with the flag, for what is no size.
absl::StatusOr<int64_t> MemoryBudgetOfFlag(const std::string& value);

}  // namespace moe::cli

#endif  // TOOLS_CLI_DATASET_FLAGS_H_
