#include "moe/text/dataset/load_dataset.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/options/options.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/text/dataset/chat_template.h"
#include "moe/text/dataset/dataset_files.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/embedding_rows.h"
#include "moe/text/dataset/token_artifact.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"
#include "moe/text/dataset/tokenize_dataset.h"

namespace moe {
namespace {

absl::Status CheckTokenizer(const DatasetRequest& request) {
  if (request.tokenizer == nullptr || !request.embedding_rows.has_value()) {
    return absl::OkStatus();
  }
  return CheckTokenizerFits(*request.tokenizer, *request.embedding_rows);
}

// An artifact that a checkpoint's own template made is for that template.
absl::Status CheckTemplateDigest(const DatasetRequest& request,
                                 const TokenArtifact& artifact) {
  if (request.tokenizer == nullptr ||
      artifact.dataset.chat_template != TokenizeOptions::CHECKPOINT) {
    return absl::OkStatus();
  }
  MOE_ASSIGN_OR_RETURN(
      const ChatTemplate chat_template,
      ChatTemplate::Create(TokenizeOptions::AUTO, false, *request.tokenizer,
                           request.chat_template));
  if (chat_template.digest() == artifact.dataset.chat_template_digest) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "was made with a checkpoint's own chat template, and the model's is "
      "another; tokenize the dataset again with the model's");
}

absl::Status CheckArtifactOptions(const DatasetRequest& request,
                                  const TokenArtifact& artifact) {
  const TokenArtifactInfo& info = artifact.info;
  if (request.tokenizer != nullptr &&
      info.tokenizer_digest != request.tokenizer->digest()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "was made by the tokenizer with digest ", info.tokenizer_digest,
        ", and the model's has ", request.tokenizer->digest(),
        "; tokenize the dataset again with the model's, and with the same "
        "--add_bos and --add_eos"));
  }
  const auto want = request.tokenize.chat_template();
  if (want != TokenizeOptions::AUTO && want != artifact.dataset.chat_template) {
    return absl::InvalidArgumentError(absl::StrCat(
        "was made with the chat template ",
        ChatTemplateName(artifact.dataset.chat_template), ", and ",
        ChatTemplateName(want), " was asked for; tokenize the dataset again"));
  }
  MOE_RETURN_IF_ERROR(CheckTemplateDigest(request, artifact));
  if (request.tokenize.keep_system() && !info.keep_system) {
    return absl::InvalidArgumentError(
        "was made without system turns, and keep_system was asked for; "
        "tokenize the dataset again");
  }
  const int64_t max_length = ModelMaxLength(request.tokenize);
  if (request.tokenize.has_model_max_length() &&
      max_length > info.model_max_length &&
      artifact.dataset.report.num_truncated_sequences > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "was cut to a model_max_length of ", info.model_max_length, ", and ",
        max_length, " was asked for; tokenize the dataset again"));
  }
  if (!request.embedding_rows.has_value()) return absl::OkStatus();
  // The tokenizer's own vocabulary fits already.
  if (request.tokenizer == nullptr) {
    return CheckVocabularyFits(info.vocab_size, *request.embedding_rows);
  }
  return CheckTokensFit(artifact.dataset.sequences.input_ids(),
                        request.tokenizer, *request.embedding_rows);
}

// Cuts what is longer than `max_length`, which is less than it was cut to
// before: what was cut then is cut again.
void Truncate(int64_t max_length, TokenSequences& sequences,
              DatasetReport& report) {
  TokenSequences cut;
  report.num_truncated_sequences = 0;
  const int64_t num_tokens = sequences.num_tokens();
  for (int64_t i = 0; i < sequences.num_sequences(); ++i) {
    const int64_t size = static_cast<int64_t>(sequences.input_ids(i).size());
    const size_t kept = static_cast<size_t>(std::min(size, max_length));
    if (size > max_length) ++report.num_truncated_sequences;
    cut.Append(sequences.input_ids(i).subspan(0, kept),
               sequences.labels(i).subspan(0, kept));
  }
  sequences = std::move(cut);
  report.num_truncated_tokens += num_tokens - sequences.num_tokens();
  CountTokens(sequences, report);
}

absl::StatusOr<TokenizedDataset> ReadArtifactDataset(
    const DatasetRequest& request) {
  MOE_ASSIGN_OR_RETURN(TokenArtifact artifact, ReadTokenArtifact(request.path));
  MOE_RETURN_IF_ERROR(
      Annotate(CheckArtifactOptions(request, artifact), request.path));
  const int64_t max_length = ModelMaxLength(request.tokenize);
  if (max_length < artifact.info.model_max_length) {
    Truncate(max_length, artifact.dataset.sequences, artifact.dataset.report);
  }
  return std::move(artifact.dataset);
}

absl::StatusOr<TokenizedDataset> ReadLines(const DatasetRequest& request,
                                           ThreadPool& pool,
                                           Progress& progress) {
  TokenizeRequest lines;
  lines.path = request.path;
  lines.tokenizer = request.tokenizer;
  lines.chat_template = request.chat_template;
  lines.options = request.tokenize;
  lines.embedding_rows = request.embedding_rows;
  if (request.tokenizer != nullptr) {
    lines.vocab_size = request.tokenizer->vocab_size();
  } else if (request.embedding_rows.has_value()) {
    lines.vocab_size = *request.embedding_rows;
  }
  if (request.batch.no_shuffle()) {
    lines.max_sequences = MaxSequences(request.batch);
  }
  return TokenizeDataset(lines, pool, progress);
}

absl::StatusOr<bool> IsArtifact(const std::string& path) {
  MOE_ASSIGN_OR_RETURN(const DatasetFiles files, ListDatasetFiles(path));
  if (files.paths[0] != path) return false;  // A directory's.
  return IsSafetensorsFile(path);
}

}  // namespace

absl::StatusOr<LoadedDataset> LoadDataset(const DatasetRequest& request,
                                          ThreadPool& pool,
                                          Progress& progress) {
  MOE_RETURN_IF_ERROR(CheckOptions(request.tokenize));
  MOE_RETURN_IF_ERROR(CheckOptions(request.batch));
  MOE_RETURN_IF_ERROR(CheckTokenizer(request));
  MOE_ASSIGN_OR_RETURN(const bool is_artifact, IsArtifact(request.path));
  MOE_ASSIGN_OR_RETURN(TokenizedDataset dataset,
                       is_artifact ? ReadArtifactDataset(request)
                                   : ReadLines(request, pool, progress));
  LoadedDataset loaded;
  loaded.report = std::move(dataset.report);
  MOE_ASSIGN_OR_RETURN(
      loaded.batches, MakeBatches(std::move(dataset.sequences), request.batch));
  return loaded;
}

}  // namespace moe
