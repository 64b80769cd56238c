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

namespace moe::reconstruct {
namespace {

absl::Status OtherModel(const checkpoint::Checkpoint& converted,
                        const checkpoint::Checkpoint& dense,
                        const std::string& difference) {
  return absl::InvalidArgumentError(
      absl::StrCat(converted.directory(), ": expected a checkpoint made from ",
                   dense.directory(), ", found ", difference,
                   "; give the dense checkpoint that it was converted from"));
}

absl::Status CheckDense(const checkpoint::Checkpoint& converted,
                        const checkpoint::Checkpoint& dense) {
  if (dense.dense_config() != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      dense.directory(),
      ": expected a dense checkpoint, found a Mixture of Experts; give the one "
      "that ",
      converted.directory(), " was converted from"));
}

absl::Status CheckConfigs(const checkpoint::Checkpoint& converted,
                          const checkpoint::Checkpoint& dense) {
  const checkpoint::LlamaConfig& a =
      checkpoint::DecoderConfig(converted.config());
  const checkpoint::LlamaConfig& b = checkpoint::DecoderConfig(dense.config());
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
absl::StatusOr<bool> SameRows(const checkpoint::Checkpoint& a,
                              const checkpoint::Checkpoint& b,
                              const checkpoint::TensorName& name, int64_t begin,
                              int64_t end) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor x,
                       model::ReadWeightRows(a, name, begin, end));
  MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor y,
                       model::ReadWeightRows(b, name, begin, end));
  return model::ToFloats(x) == model::ToFloats(y);
}

absl::StatusOr<bool> SameTensor(const checkpoint::Checkpoint& a,
                                const checkpoint::Checkpoint& b,
                                const checkpoint::TensorName& name) {
  const checkpoint::Shape& shape =
      model::LocateWeight(a, name).tensor->spec.shape;
  if (shape.size() < 2) {
    MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor x,
                         model::ReadWeight(a, name));
    MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor y,
                         model::ReadWeight(b, name));
    return model::ToFloats(x) == model::ToFloats(y);
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
std::vector<checkpoint::TensorName> UnchangedTensors(
    const checkpoint::LlamaConfig& config) {
  std::vector<checkpoint::TensorName> names;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    names.push_back({checkpoint::TensorKind::kInputNorm, layer});
    names.push_back({checkpoint::TensorKind::kPostAttentionNorm, layer});
  }
  names.push_back({checkpoint::TensorKind::kFinalNorm});
  names.push_back({checkpoint::TensorKind::kEmbedding});
  if (!config.tie_word_embeddings)
    names.push_back({checkpoint::TensorKind::kLmHead});
  return names;
}

}  // namespace

absl::Status CheckMadeFrom(const checkpoint::Checkpoint& converted,
                           const checkpoint::Checkpoint& dense) {
  MOE_RETURN_IF_ERROR(CheckDense(converted, dense));
  MOE_RETURN_IF_ERROR(CheckConfigs(converted, dense));
  const checkpoint::LlamaConfig& config =
      checkpoint::DecoderConfig(dense.config());
  if (checkpoint::DecoderConfig(converted.config()).tie_word_embeddings !=
      config.tie_word_embeddings) {
    return OtherModel(converted, dense, "another tie_word_embeddings");
  }
  for (const checkpoint::TensorName& name : UnchangedTensors(config)) {
    MOE_ASSIGN_OR_RETURN(const bool same, SameTensor(converted, dense, name));
    if (same) continue;
    return OtherModel(converted, dense,
                      absl::StrCat("other numbers in tensor \"",
                                   checkpoint::FormatTensorName(name), "\""));
  }
  return absl::OkStatus();
}

absl::Status CheckConverted(const checkpoint::Checkpoint& checkpoint,
                            const checkpoint::LlamaConfig& dense) {
  const checkpoint::LlamaConfig* const config = checkpoint.dense_config();
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

}  // namespace moe::reconstruct
