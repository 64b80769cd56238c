#include "moe/text/dataset/token_artifact.h"

#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/tensor.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/token_sequences.h"
#include "moe/text/dataset/tokenize_dataset.h"

namespace moe::text {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors files are little-endian, and so is this code");

constexpr absl::string_view kFormatVersion = "1";
constexpr absl::string_view kStep = "tokenize";
constexpr char kInputIds[] = "input_ids";
constexpr char kLabels[] = "labels";
constexpr char kOffsets[] = "offsets";
// Ids are 32-bit integers that are not negative.
constexpr int64_t kMaxVocabSize = int64_t{1} << 31;

template <typename T>
absl::string_view BytesOf(absl::Span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()),
          values.size() * sizeof(T)};
}

std::string TokensDigest(const TokenSequences& sequences) {
  base::Sha256 digest;
  digest.Update(BytesOf(sequences.input_ids()));
  digest.Update(BytesOf(sequences.labels()));
  digest.Update(BytesOf(sequences.offsets()));
  return digest.HexDigest();
}

// The field is there only if a Jinja template was rendered.
constexpr char kChatTemplateDigest[] = "chat_template_digest";

// The field is there only if there are such rows, so other files do not change.
constexpr char kNumEmptyRows[] = "num_empty_rows";

// A whole number of the metadata, and the variable for it.
struct NumberField {
  const char* name;
  int64_t* value;
};

std::vector<NumberField> NumberFields(TokenArtifactInfo& info,
                                      DatasetReport& report) {
  return {
      {"vocab_size", &info.vocab_size},
      {"model_max_length", &info.model_max_length},
      {"num_lines", &report.num_lines},
      {"num_bad_lines", &report.num_bad_lines},
      {"num_truncated_sequences", &report.num_truncated_sequences},
      {"num_truncated_tokens", &report.num_truncated_tokens},
      {"num_texts_with_special_tokens", &report.num_texts_with_special_tokens},
      {"num_sequences", &report.num_sequences},
      {"num_tokens", &report.num_tokens},
      {"num_predicted_tokens", &report.num_predicted_tokens}};
}

std::string FormatSources(const std::vector<DatasetSource>& sources) {
  base::Json list = base::Json::array();
  for (const DatasetSource& source : sources) {
    list.push_back({{"name", source.name},
                    {"size_bytes", source.size_bytes},
                    {"sha256", source.digest}});
  }
  return list.dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

absl::StatusOr<std::vector<DatasetSource>> ParseSources(
    absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(const base::Json list, base::ParseJson(text));
  if (!list.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected an array, found a JSON ", list.type_name()));
  }
  std::vector<DatasetSource> sources;
  for (const base::Json& json : list) {
    if (!json.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected an array of objects, found a JSON ", json.type_name()));
    }
    DatasetSource source;
    MOE_ASSIGN_OR_RETURN(source.name, base::Get<std::string>(json, "name"));
    MOE_ASSIGN_OR_RETURN(const int64_t size,
                         base::Get<int64_t>(json, "size_bytes"));
    source.size_bytes = static_cast<uint64_t>(size);
    MOE_ASSIGN_OR_RETURN(source.digest, base::Get<std::string>(json, "sha256"));
    sources.push_back(std::move(source));
  }
  return sources;
}

checkpoint::SafetensorsMetadata ToMetadata(const TokenArtifact& artifact) {
  TokenArtifactInfo info = artifact.info;
  DatasetReport report = artifact.dataset.report;
  CountTokens(artifact.dataset.sequences, report);
  checkpoint::SafetensorsMetadata metadata = {
      {"artifact", kTokenArtifactName},
      {"format_version", std::string(kFormatVersion)},
      {"tool_version", info.tool_version},
      {"step", std::string(kStep)},
      {"tokenizer_digest", info.tokenizer_digest},
      {"chat_template", ChatTemplateName(artifact.dataset.chat_template)},
      {"keep_system", info.keep_system ? "true" : "false"},
      {"sources", FormatSources(artifact.dataset.sources)},
      {"tokens_digest", TokensDigest(artifact.dataset.sequences)}};
  for (const NumberField& field : NumberFields(info, report)) {
    metadata[field.name] = absl::StrCat(*field.value);
  }
  if (!artifact.dataset.chat_template_digest.empty()) {
    metadata[kChatTemplateDigest] = artifact.dataset.chat_template_digest;
  }
  if (report.num_empty_rows > 0) {
    metadata[kNumEmptyRows] = absl::StrCat(report.num_empty_rows);
  }
  return metadata;
}

absl::StatusOr<std::string> Field(
    const checkpoint::SafetensorsMetadata& metadata, const std::string& name) {
  const auto found = metadata.find(name);
  if (found != metadata.end()) return found->second;
  return absl::InvalidArgumentError(
      absl::StrCat("metadata: expected the field \"", name, "\", found none"));
}

absl::Status WrongField(absl::string_view name, absl::string_view value,
                        absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      "metadata: ", name, ": expected ", expected, ", found \"", value, "\""));
}

absl::Status CheckKind(const checkpoint::SafetensorsMetadata& metadata) {
  const auto kind = metadata.find("artifact");
  if (kind == metadata.end() || kind->second != kTokenArtifactName) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected the artifact \"", kTokenArtifactName,
        "\", which `llama_moe tokenize` writes, found ",
        kind == metadata.end()
            ? "a file that names no artifact"
            : absl::StrCat("the artifact \"", kind->second, "\"")));
  }
  MOE_ASSIGN_OR_RETURN(const std::string version,
                       Field(metadata, "format_version"));
  if (version == kFormatVersion) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("expected the format version ", kFormatVersion, ", found \"",
                   version, "\"; tokenize the dataset again"));
}

absl::Status ReadFields(const checkpoint::SafetensorsMetadata& metadata,
                        TokenArtifact& artifact) {
  TokenArtifactInfo& info = artifact.info;
  MOE_ASSIGN_OR_RETURN(info.tool_version, Field(metadata, "tool_version"));
  MOE_ASSIGN_OR_RETURN(info.tokenizer_digest,
                       Field(metadata, "tokenizer_digest"));
  MOE_ASSIGN_OR_RETURN(const std::string chat_template,
                       Field(metadata, "chat_template"));
  MOE_ASSIGN_OR_RETURN(artifact.dataset.chat_template,
                       ParseChatTemplateName(chat_template));
  if (metadata.contains(kChatTemplateDigest)) {
    artifact.dataset.chat_template_digest = metadata.at(kChatTemplateDigest);
  }
  MOE_ASSIGN_OR_RETURN(const std::string keep_system,
                       Field(metadata, "keep_system"));
  if (keep_system != "true" && keep_system != "false") {
    return WrongField("keep_system", keep_system, "true or false");
  }
  info.keep_system = keep_system == "true";
  std::vector<NumberField> fields = NumberFields(info, artifact.dataset.report);
  if (metadata.contains(kNumEmptyRows)) {
    fields.push_back({kNumEmptyRows, &artifact.dataset.report.num_empty_rows});
  }
  for (const NumberField& field : fields) {
    MOE_ASSIGN_OR_RETURN(const std::string text, Field(metadata, field.name));
    if (!absl::SimpleAtoi(text, field.value) || *field.value < 0) {
      return WrongField(field.name, text, "a whole number of at least 0");
    }
  }
  if (info.vocab_size > kMaxVocabSize) {
    return WrongField("vocab_size", absl::StrCat(info.vocab_size),
                      absl::StrCat("at most ", kMaxVocabSize));
  }
  MOE_ASSIGN_OR_RETURN(const std::string sources, Field(metadata, "sources"));
  absl::StatusOr<std::vector<DatasetSource>> parsed = ParseSources(sources);
  if (!parsed.ok()) return base::Annotate(parsed.status(), "metadata: sources");
  artifact.dataset.sources = *std::move(parsed);
  return absl::OkStatus();
}

// A vector of that type, read from the file.
template <typename T>
absl::StatusOr<std::vector<T>> ReadVector(
    const checkpoint::SafetensorsFile& file, const char* name,
    checkpoint::Dtype dtype) {
  const checkpoint::SafetensorsTensor* const tensor = file.Find(name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": expected the tensor, found none"));
  }
  if (tensor->spec.dtype != dtype || tensor->spec.shape.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": expected ", checkpoint::DtypeName(dtype),
        " with one dimension, found ", checkpoint::FormatSpec(tensor->spec)));
  }
  std::vector<T> values(static_cast<size_t>(tensor->spec.shape[0]));
  MOE_RETURN_IF_ERROR(
      file.Read(*tensor, 0,
                absl::MakeSpan(reinterpret_cast<char*>(values.data()),
                               values.size() * sizeof(T))));
  return values;
}

absl::StatusOr<TokenSequences> ReadSequences(
    const checkpoint::SafetensorsFile& file, int64_t vocab_size) {
  MOE_ASSIGN_OR_RETURN(
      std::vector<int32_t> input_ids,
      ReadVector<int32_t>(file, kInputIds, checkpoint::Dtype::kI32));
  MOE_ASSIGN_OR_RETURN(
      std::vector<int32_t> labels,
      ReadVector<int32_t>(file, kLabels, checkpoint::Dtype::kI32));
  MOE_ASSIGN_OR_RETURN(
      std::vector<int64_t> offsets,
      ReadVector<int64_t>(file, kOffsets, checkpoint::Dtype::kI64));
  if (file.tensors().size() > 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected the tensors ", kInputIds, ", ", kLabels, " and ",
                     kOffsets, ", found ", file.tensors().size(), " tensors"));
  }
  return TokenSequences::FromArrays(std::move(input_ids), std::move(labels),
                                    std::move(offsets), vocab_size);
}

// Checks the tokens against the metadata.
absl::Status CheckTokens(const checkpoint::SafetensorsMetadata& metadata,
                         const TokenArtifact& artifact) {
  MOE_ASSIGN_OR_RETURN(const std::string want,
                       Field(metadata, "tokens_digest"));
  const std::string got = TokensDigest(artifact.dataset.sequences);
  if (got != want) {
    return absl::DataLossError(
        absl::StrCat("the tokens: expected the digest ", want, ", found ", got,
                     "; the file is damaged, or was edited"));
  }
  DatasetReport counted = artifact.dataset.report;
  CountTokens(artifact.dataset.sequences, counted);
  TokenArtifactInfo info = artifact.info;
  for (const NumberField& field : NumberFields(info, counted)) {
    const std::string& written = metadata.at(field.name);
    if (written == absl::StrCat(*field.value)) continue;
    return WrongField(field.name, written,
                      absl::StrCat(*field.value, ", as counted"));
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenArtifact> FromFile(
    const checkpoint::SafetensorsFile& file) {
  MOE_RETURN_IF_ERROR(CheckKind(file.metadata()));
  TokenArtifact artifact;
  MOE_RETURN_IF_ERROR(ReadFields(file.metadata(), artifact));
  MOE_ASSIGN_OR_RETURN(artifact.dataset.sequences,
                       ReadSequences(file, artifact.info.vocab_size));
  MOE_RETURN_IF_ERROR(CheckTokens(file.metadata(), artifact));
  CountTokens(artifact.dataset.sequences, artifact.dataset.report);
  return artifact;
}

}  // namespace

absl::Status WriteTokenArtifact(const TokenArtifact& artifact,
                                absl::string_view path, bool overwrite) {
  const TokenSequences& sequences = artifact.dataset.sequences;
  const std::vector<checkpoint::TensorSpec> specs =
      checkpoint::InReferenceOrder(
          {{kInputIds, checkpoint::Dtype::kI32, {sequences.num_tokens()}},
           {kLabels, checkpoint::Dtype::kI32, {sequences.num_tokens()}},
           {kOffsets,
            checkpoint::Dtype::kI64,
            {sequences.num_sequences() + 1}}});
  return base::WriteFileAtomically(
      path, overwrite, [&](base::WritableFile& file) -> absl::Status {
        MOE_ASSIGN_OR_RETURN(checkpoint::SafetensorsWriter writer,
                             checkpoint::SafetensorsWriter::Create(
                                 file, specs, ToMetadata(artifact)));
        for (const checkpoint::TensorSpec& spec : specs) {
          MOE_RETURN_IF_ERROR(writer.Append(
              spec.name == kOffsets  ? BytesOf(sequences.offsets())
              : spec.name == kLabels ? BytesOf(sequences.labels())
                                     : BytesOf(sequences.input_ids())));
        }
        return writer.Finish();
      });
}

absl::StatusOr<TokenArtifact> ReadTokenArtifact(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::SafetensorsFile file,
                       checkpoint::SafetensorsFile::Open(path));
  absl::StatusOr<TokenArtifact> artifact = FromFile(file);
  if (artifact.ok()) return artifact;
  return base::Annotate(artifact.status(),
                        absl::StrCat(path, ": as ", kTokenArtifactName));
}

}  // namespace moe::text
