#include "moe/checkpoint/checkpoint.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/escape_control.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/directory_contents.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_checks.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe::checkpoint {
namespace {

// The configurations of published models have a few kilobytes.
constexpr uint64_t kMaxConfigBytes = uint64_t{1} << 20;

// Refuses a configuration with billions of layers or experts before their names
// are formatted. Each has more than one tensor.
absl::Status CheckCounts(const CheckpointConfig& config, size_t num_tensors) {
  const int64_t num_found = static_cast<int64_t>(num_tensors);
  const auto check = [&](absl::string_view field, int64_t count,
                         int64_t num_layers) {
    if (count <= num_found / num_layers) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(kConfigFile, ": ", field, ": expected no more than the ",
                     num_found, " tensors that there are, found ", count,
                     " in ", num_layers, " layers"));
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

// Gives the tensors the names that the model has for them.
NamePrefix RemoveNamePrefix(ShardedTensors& tensors) {
  std::vector<std::string> names;
  for (const SafetensorsFile& shard : tensors.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      const std::string& name = tensor.spec.name;
      if (!IsDerivedBuffer(name)) names.push_back(name);
    }
  }
  NamePrefix prefix = FindNamePrefix(names);
  if (!prefix.IsNone()) {
    tensors.RenameTensors(
        [&](absl::string_view name) { return prefix.ModelName(name); });
  }
  return prefix;
}

// Drops tensors that repeat the configuration or other tensors, and checks the
// rest against the configuration.
absl::Status FitTensors(const CheckpointConfig& config,
                        ShardedTensors& tensors) {
  const LlamaConfig& decoder = DecoderConfig(config);
  MOE_RETURN_IF_ERROR(CheckNotQuantized(tensors, decoder.quantization_config));
  MOE_RETURN_IF_ERROR(CheckCounts(config, tensors.num_tensors()));
  MOE_RETURN_IF_ERROR(PassOverTiedHead(decoder, tensors));
  const MoeConfig* const moe = std::get_if<MoeConfig>(&config);
  return CheckTensors(
      moe != nullptr ? MoeTensorSet(*moe) : DenseTensorSet(decoder), decoder,
      tensors);
}

// Tells the user what was ignored, if that matters.
void SayWhatIsPassedOver(absl::string_view directory,
                         const CheckpointConfig& config,
                         const NamePrefix& prefix) {
  const base::Json& quantization = DecoderConfig(config).quantization_config;
  if (!quantization.is_null()) {
    base::SayNotice(LeftoverQuantization(
        absl::StrCat(directory, "/", kConfigFile), quantization));
  }
  if (!prefix.wrapper.empty()) {
    base::SayNotice(absl::StrCat(directory,
                                 ": every tensor's name begins with \"",
                                 prefix.wrapper, "\", which is taken off"));
  }
  if (base::PathExists(absl::StrCat(directory, "/", kAdapterConfigFile))) {
    base::SayNotice(absl::StrCat(
        directory, ": there is an adapter (", kAdapterConfigFile,
        ") beside the weights, and it is not applied; if it is meant, merge it "
        "with merge_and_unload of peft, and save the model with "
        "save_pretrained"));
  }
}

absl::Status CheckTensorFinite(const SafetensorsFile& shard,
                               const SafetensorsTensor& tensor,
                               std::string& piece, base::Progress& progress) {
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
          FormatShape(tensor.spec.shape),
          ": expected finite values, found a NaN or infinity at element ",
          static_cast<int64_t>(begin) / element_bytes + *found));
    }
    progress.Advance(static_cast<int64_t>(piece.size()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CheckpointConfig> ParseCheckpointConfig(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(const base::Json document, base::ParseJsonObject(text));
  MOE_ASSIGN_OR_RETURN(const std::string model_type,
                       base::Get<std::string>(document, "model_type"));
  if (IsMoeModelType(model_type)) return ParseMoeConfig(text);
  return ParseLlamaConfig(text);
}

const LlamaConfig& DecoderConfig(const CheckpointConfig& config) {
  const MoeConfig* const moe = std::get_if<MoeConfig>(&config);
  return moe != nullptr ? moe->decoder : std::get<LlamaConfig>(config);
}

absl::StatusOr<Checkpoint> Checkpoint::Open(absl::string_view directory) {
  const std::string config_path = absl::StrCat(directory, "/", kConfigFile);
  if (!base::PathExists(config_path)) {
    return absl::NotFoundError(absl::StrCat(
        directory,
        base::PathExists(directory) ? " has no " : " does not exist: no ",
        kConfigFile, WhatIsThereInstead(directory)));
  }
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       base::ReadFile(config_path, kMaxConfigBytes));
  absl::StatusOr<CheckpointConfig> config = ParseCheckpointConfig(text);
  if (!config.ok()) return base::Annotate(config.status(), config_path);
  MOE_ASSIGN_OR_RETURN(ShardedTensors tensors, ShardedTensors::Open(directory));
  NamePrefix prefix = RemoveNamePrefix(tensors);
  MOE_RETURN_IF_ERROR(base::Annotate(FitTensors(*config, tensors), directory));
  SayWhatIsPassedOver(directory, *config, prefix);
  return Checkpoint(std::string(directory), *std::move(config),
                    std::move(tensors), std::move(prefix));
}

absl::StatusOr<std::vector<std::string>> Checkpoint::CompanionFiles() const {
  return ListCompanionFiles(directory_);
}

absl::StatusOr<CompanionCopies> Checkpoint::CompanionsToCopy() const {
  std::vector<std::string> model_files = {
      absl::StrCat(directory_, "/", kConfigFile)};
  if (tensors_.index().has_value()) {
    model_files.push_back(absl::StrCat(directory_, "/", kShardIndexFile));
  }
  for (const SafetensorsFile& shard : tensors_.shards()) {
    model_files.push_back(shard.path());
  }
  return FindCompanionCopies(directory_, model_files);
}

absl::Status Checkpoint::CheckFinite(base::Progress& progress) const {
  int64_t total_bytes = 0;
  for (const SafetensorsFile& shard : tensors_.shards()) {
    total_bytes += static_cast<int64_t>(shard.size_bytes());
  }
  progress.Start("checking values", total_bytes, "bytes");
  std::string piece;
  for (const SafetensorsFile& shard : tensors_.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      // A mask holds infinities.
      if (IsDerivedBuffer(tensor.spec.name)) continue;
      MOE_RETURN_IF_ERROR(CheckTensorFinite(shard, tensor, piece, progress));
    }
  }
  progress.Finish();
  return absl::OkStatus();
}

absl::StatusOr<std::string> CheckpointDigest(const Checkpoint& checkpoint,
                                             base::Progress& progress) {
  int64_t total_bytes = 0;
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    total_bytes += static_cast<int64_t>(shard.size_bytes());
  }
  progress.Start("digest of the model", total_bytes, "bytes");
  MOE_ASSIGN_OR_RETURN(const std::string config,
                       base::HexSha256OfFile(absl::StrCat(
                           checkpoint.directory(), "/", kConfigFile)));
  std::string lines = absl::StrCat(config, "  ", kConfigFile, "\n");
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    MOE_ASSIGN_OR_RETURN(const std::string digest,
                         base::HexSha256OfFile(shard.path()));
    absl::StrAppend(&lines, digest, "  ", base::SplitPath(shard.path()).name,
                    "\n");
    progress.Advance(static_cast<int64_t>(shard.size_bytes()));
  }
  progress.Finish();
  return base::HexSha256Of(lines);
}

}  // namespace moe::checkpoint
