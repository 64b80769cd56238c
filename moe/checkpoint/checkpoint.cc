#include "moe/checkpoint/checkpoint.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/json.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe {
namespace {

// The configurations of published models have a few kilobytes.
constexpr uint64_t kMaxConfigBytes = uint64_t{1} << 20;

constexpr std::array<absl::string_view, 9> kCompanionFiles = {
    "added_tokens.json",      "chat_template.jinja", "chat_template.json",
    "generation_config.json", "merges.txt",          "special_tokens_map.json",
    "tokenizer.json",         "tokenizer.model",     "tokenizer_config.json",
};
constexpr std::array<absl::string_view, 4> kCompanionPrefixes = {
    "LICENSE", "NOTICE", "USE_POLICY", "vocab."};

// The sizes that shapes follow from, for messages.
std::string DescribeSizes(const LlamaConfig& config) {
  return absl::StrCat("vocab_size ", config.vocab_size, ", hidden_size ",
                      config.hidden_size, ", intermediate_size ",
                      config.intermediate_size, ", num_attention_heads ",
                      config.num_attention_heads, ", num_key_value_heads ",
                      config.num_key_value_heads, ", head_dim ",
                      config.head_dim);
}

// Keeps a configuration that names billions of layers or experts from having
// their names written out: there is more than one tensor for each.
absl::Status CheckCounts(const CheckpointConfig& config, size_t num_tensors) {
  const int64_t num_found = static_cast<int64_t>(num_tensors);
  const auto check = [&](absl::string_view field, int64_t count,
                         int64_t num_layers) {
    if (count <= num_found / num_layers) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        kConfigFile, ": ", field, " is ", count, " in ", num_layers,
        " layers, and there are only ", num_found, " tensors"));
  };
  const int64_t num_layers = DecoderConfig(config).num_hidden_layers;
  MOE_RETURN_IF_ERROR(check("num_hidden_layers", num_layers, 1));
  const MoeConfig* const moe = std::get_if<MoeConfig>(&config);
  if (moe == nullptr) return absl::OkStatus();
  // At least one, by ValidateMoeConfig.
  const int64_t num_moe_layers = num_layers - 2 * moe->num_moe_contract_layers;
  MOE_RETURN_IF_ERROR(
      check("num_local_experts", moe->num_local_experts, num_moe_layers));
  return check("attn_experts", moe->attn_experts, num_moe_layers);
}

absl::Status CheckTensor(const std::string& name, const Shape& want,
                         const ShardedTensors& tensors,
                         const LlamaConfig& config) {
  const TensorLocation found = tensors.Find(name);
  if (found.tensor == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor \"", name, "\" is missing; ", kConfigFile, " calls for it"));
  }
  const TensorSpec& got = found.tensor->spec;
  if (got.shape != want) {
    return absl::InvalidArgumentError(absl::StrCat(
        found.shard->path(), ": tensor \"", name, "\" has the shape ",
        FormatShape(got.shape), "; wanted is ", FormatShape(want), " by ",
        kConfigFile, " (", DescribeSizes(config), ")"));
  }
  if (!IsWeightDtype(got.dtype)) {
    return absl::InvalidArgumentError(
        absl::StrCat(found.shard->path(), ": tensor \"", name, "\" is ",
                     DtypeName(got.dtype), "; wanted is BF16, F16 or F32"));
  }
  return absl::OkStatus();
}

absl::Status CheckNothingElse(const TensorSet& want,
                              const ShardedTensors& tensors) {
  for (const SafetensorsFile& shard : tensors.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      const std::string& name = tensor.spec.name;
      if (want.count(name) > 0 || IsDerivedBuffer(name)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(shard.path(), ": tensor \"", name, "\" ",
                       FormatShape(tensor.spec.shape), " is not one that ",
                       kConfigFile, " calls for"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTensors(const CheckpointConfig& config,
                          const ShardedTensors& tensors) {
  MOE_RETURN_IF_ERROR(CheckCounts(config, tensors.num_tensors()));
  const MoeConfig* const moe = std::get_if<MoeConfig>(&config);
  const TensorSet want = moe != nullptr ? MoeTensorSet(*moe)
                                        : DenseTensorSet(DecoderConfig(config));
  for (const auto& [name, shape] : want) {
    MOE_RETURN_IF_ERROR(
        CheckTensor(name, shape, tensors, DecoderConfig(config)));
  }
  return CheckNothingElse(want, tensors);
}

absl::Status CheckTensorFinite(const SafetensorsFile& shard,
                               const SafetensorsTensor& tensor,
                               std::string& piece, Progress& progress) {
  constexpr uint64_t kPieceBytes = uint64_t{4} << 20;
  const uint64_t size_bytes = tensor.end - tensor.begin;
  const int64_t element_bytes = DtypeSize(tensor.spec.dtype);
  for (uint64_t begin = 0; begin < size_bytes; begin += kPieceBytes) {
    piece.resize(std::min(kPieceBytes, size_bytes - begin));
    MOE_RETURN_IF_ERROR(shard.Read(tensor, begin, absl::MakeSpan(piece)));
    const std::optional<int64_t> found =
        FindNonFinite(tensor.spec.dtype, piece);
    if (found.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          shard.path(), ": tensor \"", tensor.spec.name, "\" ",
          FormatShape(tensor.spec.shape), " has a NaN or infinity at element ",
          static_cast<int64_t>(begin) / element_bytes + *found));
    }
    progress.Advance(static_cast<int64_t>(piece.size()));
  }
  return absl::OkStatus();
}

bool IsCompanionFile(absl::string_view name) {
  return std::find(kCompanionFiles.begin(), kCompanionFiles.end(), name) !=
             kCompanionFiles.end() ||
         std::any_of(kCompanionPrefixes.begin(), kCompanionPrefixes.end(),
                     [&](absl::string_view prefix) {
                       return absl::StartsWith(name, prefix);
                     });
}

}  // namespace

absl::StatusOr<CheckpointConfig> ParseCheckpointConfig(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(const Json document, ParseJsonObject(text));
  MOE_ASSIGN_OR_RETURN(const std::string model_type,
                       Get<std::string>(document, "model_type"));
  if (model_type == "mixtral") return ParseMoeConfig(text);
  return ParseLlamaConfig(text);
}

const LlamaConfig& DecoderConfig(const CheckpointConfig& config) {
  const MoeConfig* const moe = std::get_if<MoeConfig>(&config);
  return moe != nullptr ? moe->decoder : std::get<LlamaConfig>(config);
}

absl::StatusOr<Checkpoint> Checkpoint::Open(absl::string_view directory) {
  const std::string config_path = absl::StrCat(directory, "/", kConfigFile);
  if (!PathExists(config_path)) {
    return absl::NotFoundError(absl::StrCat(
        directory, PathExists(directory) ? " has no " : " does not exist: no ",
        kConfigFile, "; wanted is the directory of a Hugging Face checkpoint"));
  }
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       ReadFile(config_path, kMaxConfigBytes));
  absl::StatusOr<CheckpointConfig> config = ParseCheckpointConfig(text);
  if (!config.ok()) return Annotate(config.status(), config_path);
  MOE_ASSIGN_OR_RETURN(ShardedTensors tensors, ShardedTensors::Open(directory));
  MOE_RETURN_IF_ERROR(Annotate(CheckTensors(*config, tensors), directory));
  return Checkpoint(std::string(directory), *std::move(config),
                    std::move(tensors));
}

absl::StatusOr<std::vector<std::string>> Checkpoint::CompanionFiles() const {
  MOE_ASSIGN_OR_RETURN(std::vector<std::string> names,
                       ListDirectory(directory_));
  // Not, for example, a directory of licences.
  const auto is_file = [&](const std::string& name) {
    std::error_code error;
    return std::filesystem::is_regular_file(absl::StrCat(directory_, "/", name),
                                            error);
  };
  names.erase(std::remove_if(names.begin(), names.end(),
                             [&](const std::string& name) {
                               return !IsCompanionFile(name) || !is_file(name);
                             }),
              names.end());
  return names;
}

absl::Status Checkpoint::CheckFinite(Progress& progress) const {
  int64_t total_bytes = 0;
  for (const SafetensorsFile& shard : tensors_.shards()) {
    total_bytes += static_cast<int64_t>(shard.size_bytes());
  }
  progress.Start("checking values", total_bytes, "bytes");
  std::string piece;
  for (const SafetensorsFile& shard : tensors_.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      MOE_RETURN_IF_ERROR(CheckTensorFinite(shard, tensor, piece, progress));
    }
  }
  progress.Finish();
  return absl::OkStatus();
}

}  // namespace moe
