#include "moe/reconstruct/made_from.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/checkpoint_weights.h"

namespace moe {
namespace {

absl::Status OtherModel(const Checkpoint& converted, const Checkpoint& dense,
                        const std::string& difference) {
  return absl::InvalidArgumentError(
      absl::StrCat(converted.directory(), ": expected a checkpoint made from ",
                   dense.directory(), ", found ", difference,
                   "; give the dense checkpoint that it was converted from"));
}

absl::Status CheckDense(const Checkpoint& converted, const Checkpoint& dense) {
  if (dense.dense_config() != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      dense.directory(),
      ": expected a dense checkpoint, found a Mixture of Experts; give the one "
      "that ",
      converted.directory(), " was converted from"));
}

absl::Status CheckConfigs(const Checkpoint& converted,
                          const Checkpoint& dense) {
  const LlamaConfig& a = DecoderConfig(converted.config());
  const LlamaConfig& b = DecoderConfig(dense.config());
  struct Field {
    const char* name;
    double converted, dense;
  };
  const Field fields[] = {
      {"vocab_size", static_cast<double>(a.vocab_size),
       static_cast<double>(b.vocab_size)},
      {"hidden_size", static_cast<double>(a.hidden_size),
       static_cast<double>(b.hidden_size)},
      {"num_hidden_layers", static_cast<double>(a.num_hidden_layers),
       static_cast<double>(b.num_hidden_layers)},
      {"num_attention_heads", static_cast<double>(a.num_attention_heads),
       static_cast<double>(b.num_attention_heads)},
      {"num_key_value_heads", static_cast<double>(a.num_key_value_heads),
       static_cast<double>(b.num_key_value_heads)},
      {"head_dim", static_cast<double>(a.head_dim),
       static_cast<double>(b.head_dim)},
      {"rms_norm_eps", a.rms_norm_eps, b.rms_norm_eps},
      {"rope_theta", a.rope.theta, b.rope.theta}};
  for (const Field& field : fields) {
    if (field.converted == field.dense) continue;
    return OtherModel(converted, dense,
                      absl::StrCat(field.name, " ", field.converted, " beside ",
                                   field.dense));
  }
  if (a.rope == b.rope) return absl::OkStatus();
  return OtherModel(converted, dense, "another rope_scaling");
}

// A few rows of a matrix at a time.
constexpr int64_t kRowsAtOnce = 1024;

// Compares the values, whatever their types.
absl::StatusOr<bool> SameRows(const Checkpoint& a, const Checkpoint& b,
                              const TensorName& name, int64_t begin,
                              int64_t end) {
  MOE_ASSIGN_OR_RETURN(const HostTensor x, ReadWeightRows(a, name, begin, end));
  MOE_ASSIGN_OR_RETURN(const HostTensor y, ReadWeightRows(b, name, begin, end));
  return ToFloats(x) == ToFloats(y);
}

absl::StatusOr<bool> SameTensor(const Checkpoint& a, const Checkpoint& b,
                                const TensorName& name) {
  const Shape& shape = LocateWeight(a, name).tensor->spec.shape;
  if (shape.size() < 2) {
    MOE_ASSIGN_OR_RETURN(const HostTensor x, ReadWeight(a, name));
    MOE_ASSIGN_OR_RETURN(const HostTensor y, ReadWeight(b, name));
    return ToFloats(x) == ToFloats(y);
  }
  for (int64_t begin = 0; begin < shape[0]; begin += kRowsAtOnce) {
    MOE_ASSIGN_OR_RETURN(
        const bool same,
        SameRows(a, b, name, begin, std::min(begin + kRowsAtOnce, shape[0])));
    if (!same) return false;
  }
  return true;
}

// What no conversion changes.
std::vector<TensorName> UnchangedTensors(const LlamaConfig& config) {
  std::vector<TensorName> names;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    names.push_back({TensorKind::kInputNorm, layer});
    names.push_back({TensorKind::kPostAttentionNorm, layer});
  }
  names.push_back({TensorKind::kFinalNorm});
  names.push_back({TensorKind::kEmbedding});
  if (!config.tie_word_embeddings) names.push_back({TensorKind::kLmHead});
  return names;
}

}  // namespace

absl::Status CheckMadeFrom(const Checkpoint& converted,
                           const Checkpoint& dense) {
  MOE_RETURN_IF_ERROR(CheckDense(converted, dense));
  MOE_RETURN_IF_ERROR(CheckConfigs(converted, dense));
  const LlamaConfig& config = DecoderConfig(dense.config());
  if (DecoderConfig(converted.config()).tie_word_embeddings !=
      config.tie_word_embeddings) {
    return OtherModel(converted, dense, "another tie_word_embeddings");
  }
  for (const TensorName& name : UnchangedTensors(config)) {
    MOE_ASSIGN_OR_RETURN(const bool same, SameTensor(converted, dense, name));
    if (same) continue;
    return OtherModel(converted, dense,
                      absl::StrCat("other numbers in tensor \"",
                                   FormatTensorName(name), "\""));
  }
  return absl::OkStatus();
}

absl::Status CheckConverted(const Checkpoint& checkpoint,
                            const LlamaConfig& dense) {
  const LlamaConfig* const config = checkpoint.dense_config();
  if (config == nullptr ||
      config->intermediate_size != dense.intermediate_size) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      checkpoint.directory(),
      ": expected a checkpoint with experts, or a dense one with neurons "
      "removed, found a dense one with all ",
      dense.intermediate_size, " of them; give the converted checkpoint"));
}

}  // namespace moe
