// A dataset's files, read line by line and tokenized by several threads.
//
// Memory: the tokens (see TokenSequences), and a block of lines at a time,
// 8 MiB and one line more, with their tokens and each thread's parsed line. The
// result does not depend on the number of threads.

#ifndef MOE_TEXT_DATASET_TOKENIZE_DATASET_H_
#define MOE_TEXT_DATASET_TOKENIZE_DATASET_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/token_sequences.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

struct TokenizeRequest {
  // A file or a directory: see ListDatasetFiles.
  std::string path;
  // Null if every line holds token ids.
  const Tokenizer* tokenizer = nullptr;
  // The same checkpoint's.
  ChatTemplateSource chat_template;
  TokenizeOptions options;
  // Ids on lines lie in [0, vocab_size): the tokenizer's, or where there is
  // none the rows of the model's embedding.
  int64_t vocab_size = int64_t{1} << 31;
  // The model's, where there is one: a line with a token that has no row is
  // bad (CheckTokensFit).
  std::optional<int64_t> embedding_rows;
  // Stop reading when there are so many.
  int64_t max_sequences = std::numeric_limits<int64_t>::max();
};

// A file that was read.
struct DatasetSource {
  std::string name;  // Without its directory.
  uint64_t size_bytes = 0;
  std::string digest;  // SHA-256 of the file, compressed if it is.

  friend bool operator==(const DatasetSource&, const DatasetSource&) = default;
};

struct TokenizedDataset {
  TokenSequences sequences;
  // How conversations were written: never AUTO. NONE without a tokenizer.
  TokenizeOptions::ChatTemplate chat_template = TokenizeOptions::NONE;
  std::string chat_template_digest;  // See ChatTemplate::digest.
  // Those that were read to their end.
  std::vector<DatasetSource> sources;
  DatasetReport report;
};

// The sequences of the dataset, in the order of the files and lines.
//
// The first bad row is an error, "path:line: what", of ParseRecord,
// EncodeRecord, ResourceExhausted for a row of more than kMaxLineBytes, or
// InvalidArgument for one that is not UTF-8, cut to some hundred bytes; with
// skip_bad_lines it is counted. A file that cannot be read, or whose
// compressed data are damaged, is an error in any case; so is a dataset
// without one row that serves, InvalidArgument.
absl::StatusOr<TokenizedDataset> TokenizeDataset(const TokenizeRequest& request,
                                                 base::ThreadPool& pool,
                                                 base::Progress& progress);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_TOKENIZE_DATASET_H_
