// A tokenized dataset as a file, which every step that takes
// --dataset_dir_or_path can read without a tokenizer.
//
// A safetensors file with the tensors
//   input_ids  I32 [num_tokens]
//   labels     I32 [num_tokens]         a token id, or -100: see kIgnoredLabel
//   offsets    I64 [num_sequences + 1]  sequence i is
//                                       [offsets[i], offsets[i + 1])
// in the order of the dataset's files and lines, neither shuffled nor cut into
// batches; and the metadata
//   artifact                    "tokens"
//   format_version              "1"
//   tool_version, step          what made it: step is "tokenize"
//   tokenizer_digest            Tokenizer::digest(); empty without a tokenizer
//   vocab_size                  every id is smaller
//   chat_template, keep_system, model_max_length
//   num_lines, num_bad_lines, num_truncated_sequences, num_truncated_tokens,
//   num_texts_with_special_tokens
//   num_sequences, num_tokens, num_predicted_tokens
//   sources                     JSON: [{"name", "size_bytes", "sha256"}]
//   tokens_digest               SHA-256 over the bytes of input_ids, labels and
//                               offsets, one after another
// Equal datasets, options, tokenizers and tool versions give equal bytes: the
// file has no path, time or host.

#ifndef MOE_TEXT_DATASET_TOKEN_ARTIFACT_H_
#define MOE_TEXT_DATASET_TOKEN_ARTIFACT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/token_sequences.h"
#include "moe/text/dataset/tokenize_dataset.h"

namespace moe::text {

inline constexpr char kTokenArtifactName[] = "tokens";

// The metadata of a file that do not follow from its tokens.
struct TokenArtifactInfo {
  std::string tool_version;
  std::string tokenizer_digest;
  int64_t vocab_size = 0;
  bool keep_system = false;
  int64_t model_max_length = 0;

  friend bool operator==(const TokenArtifactInfo&,
                         const TokenArtifactInfo&) = default;
};

struct TokenArtifact {
  TokenArtifactInfo info;
  // A file does not store two lists of the report: the messages of bad lines
  // and the skipped files. They are empty after reading.
  TokenizedDataset dataset;
};

// Writes the file completely or not at all. AlreadyExists if the path is taken
// and `overwrite` is not set.
absl::Status WriteTokenArtifact(const TokenArtifact& artifact,
                                absl::string_view path, bool overwrite);

// Reads and checks the whole file. Errors name the path: those of safetensors
// files; InvalidArgument if it is another artifact, lacks or adds a tensor, or
// has numbers that contradict one another; Unimplemented for an unknown format
// version; DataLoss if the tokens are not those that were written.
absl::StatusOr<TokenArtifact> ReadTokenArtifact(absl::string_view path);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_TOKEN_ARTIFACT_H_
