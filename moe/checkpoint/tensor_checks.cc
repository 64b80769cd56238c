#include "moe/checkpoint/tensor_checks.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe::checkpoint {
namespace {

constexpr char kConfigName[] = "config.json";
constexpr char kTied[] = "tie_word_embeddings";

const std::string& EmbeddingName() {
  static const auto* const name =
      new std::string(FormatTensorName({TensorKind::kEmbedding}));
  return *name;
}

const std::string& HeadName() {
  static const auto* const name =
      new std::string(FormatTensorName({TensorKind::kLmHead}));
  return *name;
}

// The sizes that shapes follow from, for messages.
std::string DescribeSizes(const LlamaConfig& config) {
  return absl::StrCat("vocab_size ", config.vocab_size, ", hidden_size ",
                      config.hidden_size, ", intermediate_size ",
                      config.intermediate_size, ", num_attention_heads ",
                      config.num_attention_heads, ", num_key_value_heads ",
                      config.num_key_value_heads, ", head_dim ",
                      config.head_dim);
}

// How the two differ; empty if they are the same.
absl::StatusOr<std::string> DifferenceOf(const TensorLocation& head,
                                         const TensorLocation& embedding) {
  constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
  const TensorSpec& a = head.tensor->spec;
  const TensorSpec& b = embedding.tensor->spec;
  if (a.dtype != b.dtype || a.shape != b.shape) {
    return absl::StrCat(FormatSpec(a), " for ", FormatSpec(b));
  }
  const uint64_t size_bytes = head.tensor->end - head.tensor->begin;
  std::string ours;
  std::string theirs;
  for (uint64_t begin = 0; begin < size_bytes; begin += kPieceBytes) {
    ours.resize(std::min(kPieceBytes, size_bytes - begin));
    theirs.resize(ours.size());
    MOE_RETURN_IF_ERROR(
        head.shard->Read(*head.tensor, begin, absl::MakeSpan(ours)));
    MOE_RETURN_IF_ERROR(embedding.shard->Read(*embedding.tensor, begin,
                                              absl::MakeSpan(theirs)));
    if (ours == theirs) continue;
    const auto at = std::mismatch(ours.begin(), ours.end(), theirs.begin());
    const uint64_t offset =
        begin + static_cast<uint64_t>(at.first - ours.begin());
    return absl::StrCat("first at element ",
                        offset / static_cast<uint64_t>(DtypeSize(a.dtype)));
  }
  return std::string();
}

std::vector<std::string> NamesOf(const ShardedTensors& tensors) {
  std::vector<std::string> names;
  for (const SafetensorsFile& shard : tensors.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      names.push_back(tensor.spec.name);
    }
  }
  return names;
}

absl::Status MissingTensor(const std::string& name, const LlamaConfig& config,
                           const ShardedTensors& tensors) {
  const std::string message = absl::StrCat(
      "tensor \"", name, "\": expected it, by ", kConfigName, ", found none");
  if (name == HeadName()) {
    const bool is_given = base::FindField(config.document, kTied) != nullptr;
    return absl::InvalidArgumentError(absl::StrCat(
        message, " (", kTied,
        is_given ? " is false" : " is not there, which means false",
        "); if the head is the embedding, set ", kTied, " to true in ",
        kConfigName, "; if not, get the whole checkpoint"));
  }
  const std::string nearest = NearestTensorName(name, NamesOf(tensors));
  if (nearest.empty()) return absl::InvalidArgumentError(message);
  return absl::InvalidArgumentError(
      absl::StrCat(message, "; the nearest name found is \"", nearest,
                   "\"; give every name the same prefix, or none a prefix"));
}

absl::Status CheckTensor(const std::string& name, const Shape& want,
                         const ShardedTensors& tensors,
                         const LlamaConfig& config) {
  const TensorLocation found = tensors.Find(name);
  if (found.tensor == nullptr) return MissingTensor(name, config, tensors);
  const TensorSpec& got = found.tensor->spec;
  if (got.shape != want) {
    return absl::InvalidArgumentError(absl::StrCat(
        found.shard->path(), ": tensor \"", name, "\": expected the shape ",
        FormatShape(want), " by ", kConfigName, " (", DescribeSizes(config),
        "), found ", FormatShape(got.shape)));
  }
  if (!IsWeightDtype(got.dtype)) {
    return absl::InvalidArgumentError(absl::StrCat(
        found.shard->path(), ": tensor \"", name,
        "\": expected BF16, F16 or F32, found ", DtypeName(got.dtype)));
  }
  return absl::OkStatus();
}

// What PEFT calls a layer's parts.
bool IsOfAdapter(absl::string_view name) {
  return absl::StrContains(name, ".lora_") ||
         absl::StrContains(name, ".base_layer.") ||
         absl::StrContains(name, ".modules_to_save.");
}

absl::Status CheckNoAdapter(const ShardedTensors& tensors) {
  for (const SafetensorsFile& shard : tensors.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      if (!IsOfAdapter(tensor.spec.name)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          shard.path(), ": tensor \"", tensor.spec.name,
          "\": expected a tensor of the model, found one of an adapter; merge "
          "the adapter into its base with merge_and_unload of peft, and save "
          "the model with save_pretrained"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNothingElse(const TensorSet& want,
                              const ShardedTensors& tensors) {
  for (const SafetensorsFile& shard : tensors.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      const std::string& name = tensor.spec.name;
      if (want.count(name) > 0 || IsDerivedBuffer(name)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          shard.path(), ": expected only tensors of ", kConfigName,
          ", found \"", name, "\" ", FormatShape(tensor.spec.shape)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PassOverTiedHead(const LlamaConfig& config,
                              ShardedTensors& tensors) {
  if (!config.tie_word_embeddings) return absl::OkStatus();
  const TensorLocation head = tensors.Find(HeadName());
  const TensorLocation embedding = tensors.Find(EmbeddingName());
  if (head.tensor == nullptr || embedding.tensor == nullptr) {
    return absl::OkStatus();
  }
  MOE_ASSIGN_OR_RETURN(const std::string difference,
                       DifferenceOf(head, embedding));
  if (difference.empty()) {
    tensors.PassOver(HeadName());
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(head.shard->path(), ": tensor \"", HeadName(),
                   "\": expected a copy of \"", EmbeddingName(), "\", as ",
                   kConfigName, " has ", kTied, ": true, found a difference (",
                   difference, "); if the stored head is meant, set ", kTied,
                   " to false; if not, remove the tensor"));
}

absl::Status CheckTensors(const TensorSet& want, const LlamaConfig& config,
                          const ShardedTensors& tensors) {
  MOE_RETURN_IF_ERROR(CheckNoAdapter(tensors));
  for (const auto& [name, shape] : want) {
    MOE_RETURN_IF_ERROR(CheckTensor(name, shape, tensors, config));
  }
  return CheckNothingElse(want, tensors);
}

namespace {

// The last part of a name: of GPTQ and AWQ; bitsandbytes; compressed-tensors,
// FP8 and their kind; HQQ and quanto.
constexpr char kKnownParts[] =
    "qweight qzeros scales g_idx SCB absmax quant_map nested_absmax "
    "nested_quant_map weight_format weight_scale weight_scale_inv "
    "weight_scale_2 input_scale input_scale_inv activation_scale weight_packed "
    "weight_shape weight_zero_point weight_g_idx input_zero_point k_scale "
    "v_scale W_q weight_qtype _data _scale weight_blocks";

bool IsQuantizationPart(absl::string_view part) {
  static const auto* const parts = new absl::flat_hash_set<absl::string_view>(
      absl::StrSplit(kKnownParts, ' '));
  return parts->contains(part);
}

bool IsOneByte(Dtype dtype) {
  return dtype == Dtype::kU8 || dtype == Dtype::kI8 ||
         dtype == Dtype::kF8E5M2 || dtype == Dtype::kF8E4M3 ||
         dtype == Dtype::kF8E8M0;
}

std::string Method(const base::Json& quantization_config) {
  if (!quantization_config.is_object()) return "";
  const absl::StatusOr<std::string> method =
      base::GetOr<std::string>(quantization_config, "quant_method", "");
  return method.ok() && !method->empty()
             ? absl::StrCat(" (quant_method \"", *method, "\")")
             : "";
}

}  // namespace

bool IsQuantized(const TensorSpec& tensor) {
  if (IsDerivedBuffer(tensor.name)) return false;
  const absl::string_view name = tensor.name;
  const absl::string_view last = name.substr(name.rfind('.') + 1);
  return IsOneByte(tensor.dtype) || absl::StrContains(name, ".quant_state.") ||
         IsQuantizationPart(last);
}

absl::Status CheckNotQuantized(const ShardedTensors& tensors,
                               const base::Json& quantization_config) {
  for (const SafetensorsFile& shard : tensors.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      if (!IsQuantized(tensor.spec)) continue;
      return absl::UnimplementedError(absl::StrCat(
          shard.path(), ": tensor \"", tensor.spec.name,
          "\": expected BF16, F16 or F32, found ", DtypeName(tensor.spec.dtype),
          " of quantized weights",
          quantization_config.is_null()
              ? ""
              : absl::StrCat(", and a quantization_config in config.json",
                             Method(quantization_config)),
          "; convert the checkpoint in BF16, F16 or F32 that it was made "
          "from"));
    }
  }
  return absl::OkStatus();
}

std::string LeftoverQuantization(absl::string_view config_path,
                                 const base::Json& quantization_config) {
  return absl::StrCat(
      config_path, ": quantization_config", Method(quantization_config),
      " is ignored, as no weight is quantized; checkpoints made from this one "
      "do not get it; remove it from config.json");
}

}  // namespace moe::checkpoint
