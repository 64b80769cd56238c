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

namespace moe::text {
namespace {

absl::Status CheckTokenizer(const DatasetRequest& request) {
  if (request.tokenizer == nullptr || !request.embedding_rows.has_value()) {
    return absl::OkStatus();
  }
  return CheckTokenizerFits(*request.tokenizer, *request.embedding_rows);
}

// An artifact made with a checkpoint's own template fits that template only.
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
      "expected tokens made with the model's chat template, found those of "
      "another checkpoint's template; tokenize the dataset again with the "
      "model's");
}

absl::Status CheckArtifactOptions(const DatasetRequest& request,
                                  const TokenArtifact& artifact) {
  const TokenArtifactInfo& info = artifact.info;
  if (request.tokenizer != nullptr &&
      info.tokenizer_digest != request.tokenizer->digest()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected tokens of the model's tokenizer, digest ",
        request.tokenizer->digest(), ", found digest ", info.tokenizer_digest,
        "; tokenize the dataset again with the model's tokenizer, and with the "
        "same --add_bos and --add_eos"));
  }
  const auto asked = request.tokenize.chat_template();
  if (asked != TokenizeOptions::AUTO &&
      asked != artifact.dataset.chat_template) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected tokens made with the chat template ", ChatTemplateName(asked),
        ", found ", ChatTemplateName(artifact.dataset.chat_template),
        "; tokenize the dataset again"));
  }
  MOE_RETURN_IF_ERROR(CheckTemplateDigest(request, artifact));
  if (request.tokenize.keep_system() && !info.keep_system) {
    return absl::InvalidArgumentError(
        "expected tokens with system turns (keep_system), found none; tokenize "
        "the dataset again");
  }
  const int64_t max_length = ModelMaxLength(request.tokenize);
  if (request.tokenize.has_model_max_length() &&
      max_length > info.model_max_length &&
      artifact.dataset.report.num_truncated_sequences > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected sequences of up to ", max_length,
                     " tokens (model_max_length), found sequences cut to ",
                     info.model_max_length, "; tokenize the dataset again"));
  }
  if (!request.embedding_rows.has_value()) return absl::OkStatus();
  // The tokenizer's own vocabulary fits already.
  if (request.tokenizer == nullptr) {
    return CheckVocabularyFits(info.vocab_size, *request.embedding_rows);
  }
  return CheckTokensFit(artifact.dataset.sequences.input_ids(),
                        request.tokenizer, *request.embedding_rows);
}

// Cuts the sequences to `max_length`, which is less than the length that they
// were cut to before, so the report counts each truncated sequence once.
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
      base::Annotate(CheckArtifactOptions(request, artifact), request.path));
  const int64_t max_length = ModelMaxLength(request.tokenize);
  if (max_length < artifact.info.model_max_length) {
    Truncate(max_length, artifact.dataset.sequences, artifact.dataset.report);
  }
  return std::move(artifact.dataset);
}

absl::StatusOr<TokenizedDataset> ReadLines(const DatasetRequest& request,
                                           base::ThreadPool& pool,
                                           base::Progress& progress) {
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
                                          base::ThreadPool& pool,
                                          base::Progress& progress) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(request.tokenize));
  MOE_RETURN_IF_ERROR(base::CheckOptions(request.batch));
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

}  // namespace moe::text
