// Loads --dataset_dir_or_path as batches of tokens. Every step of the pipeline
// gets its data in this way.
//
//   DatasetRequest request;
//   request.path = flags.dataset_dir_or_path;
//   request.tokenizer = tokenizer.get();
//   request.embedding_rows = config.vocab_size;
//   MOE_ASSIGN_OR_RETURN(const LoadedDataset dataset,
//                        LoadDataset(request, pool, progress));
//   step(dataset.batches); record(dataset.batches.Digest());

#ifndef MOE_TEXT_DATASET_LOAD_DATASET_H_
#define MOE_TEXT_DATASET_LOAD_DATASET_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

struct DatasetRequest {
  // A file of rows, a directory of such files, or a token artifact; the content
  // decides.
  std::string path;
  // The model's tokenizer. May be null for a token artifact, and if every line
  // has token ids.
  const Tokenizer* tokenizer = nullptr;
  // The model's chat template.
  ChatTemplateSource chat_template;
  // vocab_size of the model's config.json; none without a model.
  std::optional<int64_t> embedding_rows;
  TokenizeOptions tokenize;
  BatchOptions batch;
};

struct LoadedDataset {
  TokenBatches batches;
  // On the whole dataset, not only on the sequences drawn from it. With
  // no_shuffle, lines after the last one drawn are neither read nor counted.
  DatasetReport report;
};

// A dataset gives the same batches whether it is tokenized here or before, by
// `tokenize`.
//
// `tokenize` made a token artifact with its own options. InvalidArgument if it
// was made by a tokenizer other than the given one; with a chat template other
// than the requested one (auto takes any but another checkpoint's own); without
// the system turns that are requested; or if it cut sequences to less than the
// requested model_max_length (unset takes any). Sequences longer than
// model_max_length are cut to it.
//
// Other errors: those of CheckOptions, CheckTokenizerFits, CheckTokensFit,
// TokenizeDataset, ReadTokenArtifact. Memory: 8 bytes a token of the dataset
// and 8 a token that is drawn.
absl::StatusOr<LoadedDataset> LoadDataset(const DatasetRequest& request,
                                          base::ThreadPool& pool,
                                          base::Progress& progress);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_LOAD_DATASET_H_
