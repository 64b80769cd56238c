// The one way in which a step of the pipeline gets its data:
// --dataset_dir_or_path to batches of tokens.
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

namespace moe {

struct DatasetRequest {
  // A file of JSON lines, a directory of them, or a token artifact, told apart
  // by content.
  std::string path;
  // Of the model. May be null for a token artifact, and where every line holds
  // token ids.
  const Tokenizer* tokenizer = nullptr;
  // The model's, too.
  ChatTemplateSource chat_template;
  // Of the model: vocab_size of its config.json. Nothing where there is no
  // model.
  std::optional<int64_t> embedding_rows;
  TokenizeOptions tokenize;
  BatchOptions batch;
};

struct LoadedDataset {
  TokenBatches batches;
  // Of the whole dataset, not of the sequences that were drawn from it. With
  // no_shuffle, lines behind the last one drawn are not read, and not counted.
  DatasetReport report;
};

// A dataset, tokenized here or before by `tokenize`, gives the same batches.
//
// A token artifact was made with options of its own. It is refused with
// InvalidArgument if it was made by another tokenizer than the one given, with
// another chat template than the one asked for (auto takes any but
// another checkpoint's own), without the
// system turns that are asked for, or if sequences were cut to less than the
// model_max_length that is asked for (nothing said takes any). Its sequences
// are cut to model_max_length where they are longer.
//
// Other errors: those of Validate*Options, CheckTokenizerFits, CheckTokensFit,
// TokenizeDataset, ReadTokenArtifact. Memory: 8 bytes a token of the dataset
// and 8 a token that is drawn.
absl::StatusOr<LoadedDataset> LoadDataset(const DatasetRequest& request,
                                          ThreadPool& pool, Progress& progress);

}  // namespace moe

#endif  // MOE_TEXT_DATASET_LOAD_DATASET_H_
