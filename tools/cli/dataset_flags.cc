#include "tools/cli/dataset_flags.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "moe/base/available_memory.h"
#include "moe/base/byte_size.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddTokenizationFlags(FlagSet& flags, TokenizationFlags* values) {
  flags.AddChoice({.names = {"chat_template"},
                   .what = "how conversations are written down; auto takes the "
                           "checkpoint's own template, or else one that the "
                           "vocabulary tells"},
                  ChatTemplateNames(), &values->chat_template);
  flags.AddBool({.names = {"keep_system"},
                 .what = "write the system turns of conversations too"},
                &values->keep_system);
  flags.AddChoice({.names = {"add_bos"},
                   .what = "put the tokenizer's bos_token before a text; auto "
                           "does as its files say"},
                  {"auto", "true", "false"}, &values->add_bos);
  flags.AddChoice({.names = {"add_eos"},
                   .what = "put the tokenizer's eos_token behind a text; auto "
                           "does as its files say"},
                  {"auto", "true", "false"}, &values->add_eos);
  flags.AddString({.names = {"text_column"},
                   .what = "the column of a table, or the field of a JSON row, "
                           "that is the text; without it, a table's column "
                           "text or its only one"},
                  &values->text_column);
  flags.AddChoice({.names = {"split_documents"},
                   .what = "what a document of a text file is: all of it, or "
                           "what stands between blank lines"},
                  {"whole_file", "blank_line"}, &values->split_documents);
  flags.AddBool({.names = {"skip_bad_lines"},
                 .what = "leave out rows that are malformed, and list them"},
                &values->skip_bad_lines);
}

absl::StatusOr<TokenizeOptions> OptionsOf(const TokenizationFlags& flags) {
  TokenizeOptions options;
  MOE_ASSIGN_OR_RETURN(const TokenizeOptions::ChatTemplate chat_template,
                       ParseChatTemplateName(flags.chat_template));
  options.set_chat_template(chat_template);
  options.set_keep_system(flags.keep_system);
  if (flags.add_bos != "auto") options.set_add_bos(flags.add_bos == "true");
  if (flags.add_eos != "auto") options.set_add_eos(flags.add_eos == "true");
  options.set_text_column(flags.text_column);
  TokenizeOptions::SplitDocuments split;
  if (TokenizeOptions::SplitDocuments_Parse(
          absl::AsciiStrToUpper(flags.split_documents), &split)) {
    options.set_split_documents(split);
  }
  options.set_skip_bad_lines(flags.skip_bad_lines);
  return options;
}

void AddDatasetFlags(FlagSet& flags, DatasetFlags* values) {
  flags.AddString({.names = {"dataset_dir_or_path"},
                   .what = absl::StrCat("token artifact, or ", kDatasetKinds),
                   .required = true,
                   .path = PathRole::kInput},
                  &values->dataset);
  AddTokenizationFlags(flags, &values->tokenization);
  flags.AddInt({.names = {"model_max_length"},
                .what = "keep so many tokens of each sequence; 2048, or what "
                        "a token artifact was made with, where it is not given",
                .unit = "tokens"},
               {.min = 1}, &values->model_max_length);
  flags.AddInt(
      {.names = {"seed"},
       .what = "of all random numbers, the order in which sequences are drawn "
               "among them"},
      {.min = 0}, &values->seed);
  flags.AddBool(
      {.names = {"no_shuffle"}, .what = "keep the order of the files"},
      &values->no_shuffle);
  flags.AddInt({.names = {"max_steps"},
                .what = "batches to draw; all where it is not given",
                .unit = "batches"},
               {.min = 1}, &values->max_steps);
  flags.AddInt({.names = {"batch_size", "per_device_train_batch_size"},
                .what = "sequences that share one mean of the loss",
                .unit = "sequences"},
               {.min = 1}, &values->batch_size);
}

absl::StatusOr<LoadedDataset> LoadDatasetOfFlags(const DatasetFlags& flags,
                                                 const std::string& model_path,
                                                 const LlamaConfig& config,
                                                 ThreadPool& pool,
                                                 Progress& progress) {
  DatasetRequest request;
  request.path = flags.dataset;
  request.embedding_rows = config.vocab_size;
  MOE_ASSIGN_OR_RETURN(request.tokenize, OptionsOf(flags.tokenization));
  if (flags.model_max_length.has_value()) {
    request.tokenize.set_model_max_length(*flags.model_max_length);
  }
  request.batch.set_seed(flags.seed);
  request.batch.set_no_shuffle(flags.no_shuffle);
  request.batch.set_batch_size(flags.batch_size);
  if (flags.max_steps.has_value()) {
    request.batch.set_max_steps(*flags.max_steps);
  }
  // Neither a token artifact nor lines of token ids need a tokenizer; where one
  // is needed, that there is none explains the error.
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      LoadTokenizer(model_path, TextEndsOf(request.tokenize));
  if (!tokenizer.ok() && !absl::IsNotFound(tokenizer.status())) {
    return tokenizer.status();
  }
  request.tokenizer = tokenizer.ok() ? tokenizer->get() : nullptr;
  MOE_ASSIGN_OR_RETURN(request.chat_template, LoadChatTemplate(model_path));
  absl::StatusOr<LoadedDataset> dataset = LoadDataset(request, pool, progress);
  if (dataset.ok() || tokenizer.ok()) return dataset;
  return Annotate(dataset.status(), tokenizer.status().message());
}

void AddMemoryBudget(FlagSet& flags, std::string* value) {
  flags.AddString({.names = {"memory_budget"},
                   .what = "memory for weights and activations, such as 2GiB; "
                           "the rest is read again or spilled to TMPDIR; three "
                           "quarters of what is available where it is not "
                           "given. No result depends on it"},
                  value);
}

absl::StatusOr<int64_t> MemoryBudgetOfFlag(const std::string& value) {
  if (!value.empty()) {
    absl::StatusOr<int64_t> bytes = ParseByteSize(value);
    return bytes.ok() ? bytes : Annotate(bytes.status(), "--memory_budget");
  }
  const std::optional<int64_t> available = AvailableMemoryBytes();
  return available.has_value() ? *available / 4 * 3 : MemoryBudget::kUnlimited;
}

}  // namespace moe::cli
