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
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/load_dataset.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

// How a dataset's rows become tokens: the flags that every command has which
// reads one, but for --model_max_length. `chat_template`, `add_bos` and
// `add_eos` are "auto" where nothing is said.
struct TokenizationFlags {
  std::string chat_template = "auto";
  bool keep_system = false;
  std::string add_bos = "auto";
  std::string add_eos = "auto";
  std::string text_column;
  std::string split_documents = "whole_file";
  bool skip_bad_lines = false;
};

void AddTokenizationFlags(FlagSet& flags, TokenizationFlags* values);

// The options that the flags ask for.
absl::StatusOr<TokenizeOptions> OptionsOf(const TokenizationFlags& flags);

// What --dataset_dir_or_path takes, besides a token artifact.
inline constexpr char kDatasetKinds[] =
    "JSON lines, a JSON array, CSV, TSV or text, plain or compressed by gzip "
    "or "
    "Zstandard, or a directory of such files";

struct DatasetFlags {
  std::string dataset;
  TokenizationFlags tokenization;
  // Nothing said takes any token artifact.
  std::optional<int64_t> model_max_length;
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
