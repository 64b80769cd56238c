#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/options/options.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/embedding_rows.h"
#include "moe/text/dataset/token_artifact.h"
#include "moe/text/dataset/tokenize_dataset.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

// Longer than any config.json.
constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;

struct TokenizeFlags {
  std::string model_path;
  std::string dataset;
  std::string save_path;
  TokenizeOptions options;
  bool overwrite = false;
  bool json = false;
};

absl::Status CheckSavePath(const TokenizeFlags& flags) {
  return steps::CheckOutputFile(
      {"--save_path", flags.save_path, flags.overwrite, "token artifact",
       absl::StrCat(text::kTokenArtifactName, ".safetensors"),
       steps::SafetensorsWith("artifact",
                              std::string(text::kTokenArtifactName))});
}

// The number of rows of the embedding, if the tokenizer lies beside a model.
// The tokenizer's ids must be below it.
absl::StatusOr<std::optional<int64_t>> EmbeddingRows(
    const std::string& directory) {
  const std::string path =
      absl::StrCat(directory, "/", checkpoint::kConfigFile);
  if (!base::PathExists(path)) return std::nullopt;
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       base::ReadFile(path, kMaxConfigBytes));
  absl::StatusOr<base::Json> config = base::ParseJsonObject(text);
  if (!config.ok()) return base::Annotate(config.status(), path);
  // Reads one number only, because this program may be able to use the
  // tokenizer of a model that it cannot convert.
  const absl::StatusOr<int64_t> rows =
      base::Get<int64_t>(*config, "vocab_size");
  if (!rows.ok()) return base::Annotate(rows.status(), path);
  return std::optional<int64_t>(*rows);
}

absl::StatusOr<text::TokenArtifact> Tokenize(const TokenizeFlags& flags,
                                             CommandContext& context) {
  text::TokenizeRequest request;
  request.options = flags.options;
  MOE_RETURN_IF_ERROR(base::CheckOptions(request.options));
  MOE_ASSIGN_OR_RETURN(const int num_threads,
                       base::NumThreadsFromEnvironment());
  MOE_ASSIGN_OR_RETURN(
      const std::unique_ptr<text::Tokenizer> tokenizer,
      text::LoadTokenizer(flags.model_path, text::TextEndsOf(request.options)));
  MOE_ASSIGN_OR_RETURN(request.embedding_rows, EmbeddingRows(flags.model_path));
  if (request.embedding_rows.has_value()) {
    MOE_RETURN_IF_ERROR(base::Annotate(
        text::CheckTokenizerFits(*tokenizer, *request.embedding_rows),
        absl::StrCat(flags.model_path, "/", checkpoint::kConfigFile)));
  }
  request.path = flags.dataset;
  request.tokenizer = tokenizer.get();
  MOE_ASSIGN_OR_RETURN(request.chat_template,
                       text::LoadChatTemplate(flags.model_path));
  request.vocab_size = tokenizer->vocab_size();
  base::ThreadPool pool(num_threads);
  text::TokenArtifact artifact;
  MOE_ASSIGN_OR_RETURN(artifact.dataset,
                       text::TokenizeDataset(request, pool, context.progress));
  artifact.info = {steps::kToolVersion, tokenizer->digest(),
                   tokenizer->vocab_size(), request.options.keep_system(),
                   text::ModelMaxLength(request.options)};
  return artifact;
}

absl::Status Report(const TokenizeFlags& flags,
                    const text::TokenArtifact& artifact,
                    CommandContext& context) {
  const text::TokenizedDataset& dataset = artifact.dataset;
  MOE_ASSIGN_OR_RETURN(const std::string digest,
                       base::HexSha256OfFile(flags.save_path));
  const std::string chat_template =
      text::ChatTemplateName(dataset.chat_template);
  if (flags.json) {
    base::Json json = base::Json::object();
    json["path"] = flags.save_path;
    json["sha256"] = digest;
    json["chat_template"] = chat_template;
    json.update(text::DatasetReportToJson(dataset.report));
    context.out << base::FormatJson(json);
    return absl::OkStatus();
  }
  context.out << flags.save_path << ": token artifact\n"
              << "  sha256                             " << digest << "\n"
              << "  chat template                      " << chat_template
              << "\n"
              << text::FormatDatasetReport(dataset.report);
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const TokenizeFlags& flags, CommandContext& context) {
  MOE_RETURN_IF_ERROR(CheckSavePath(flags));
  MOE_ASSIGN_OR_RETURN(const text::TokenArtifact artifact,
                       Tokenize(flags, context));
  MOE_RETURN_IF_ERROR(
      text::WriteTokenArtifact(artifact, flags.save_path, flags.overwrite));
  MOE_RETURN_IF_ERROR(Report(flags, artifact, context));
  return kSuccess;
}

CommandAction DeclareTokenize(FlagSet& set) {
  const auto flags = std::make_shared<TokenizeFlags>();
  set.AddString(
      {.names = {"model_path", "model_name_or_path", "tokenizer_path"},
       .what = "directory of the tokenizer: a checkpoint's, or one "
               "with tokenizer.json or tokenizer.model alone",
       .required = true,
       .path = Option::MODEL_PATH},
      &flags->model_path);
  set.AddString({.names = {"dataset_dir_or_path"},
                 .what = steps::kDatasetKinds,
                 .required = true,
                 .path = Option::INPUT_PATH},
                &flags->dataset);
  set.AddString({.names = {"save_path"},
                 .what = "the file to write, a safetensors file",
                 .required = true,
                 .path = Option::OUTPUT_FILE},
                &flags->save_path);
  set.AddOptions(&flags->options);
  set.AddBool({.names = {"overwrite"},
               .what = "replace a token artifact that is there"},
              &flags->overwrite);
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command TokenizeCommand() {
  return {
      .name = "tokenize",
      .summary = "tokenizes a dataset once, for every step that reads one",
      .notes =
          "A row in JSON is {\"messages\": [{\"role\", \"content\"}]}, "
          "{\"conversations\": [{\"from\", \"value\"}]},\n{\"instruction\", "
          "\"input\", \"output\"}, {\"prompt\", \"completion\"}, {\"text\"} or "
          "{\"input_ids\", \"labels\"}.\nThe file that is written holds the "
          "sequences in the\norder of the files and lines; every "
          "--dataset_dir_or_path takes it. MOE_NUM_THREADS sets\nthe number "
          "of threads, which the result does not depend on. Exit status: 0, or "
          "2 on an\nerror.\n",
      .declare = DeclareTokenize};
}

}  // namespace moe::cli
