#include "moe/model/layer/decoder_layer_weights.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/model/layer/linear.h"

namespace moe {
namespace {

// The type's name to the kernels. A checkpoint that is open has no others.
WeightType ToWeightType(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return WeightType::kFloat32;
    case Dtype::kBF16:
      return WeightType::kBFloat16;
    case Dtype::kF16:
      return WeightType::kFloat16;
    default:
      MOE_CHECK(false);
      return WeightType::kFloat32;
  }
}

class LayerReader {
 public:
  LayerReader(const Checkpoint& checkpoint, int64_t layer, LayerPasses passes,
              ThreadPool& pool)
      : checkpoint_(checkpoint), layer_(layer), passes_(passes), pool_(pool) {}

  absl::Status ReadVector(TensorKind kind, bool is_bias,
                          std::vector<float>& out) const {
    MOE_ASSIGN_OR_RETURN(const HostTensor tensor, ReadTensor(kind, is_bias));
    out.resize(static_cast<size_t>(tensor.shape[0]));
    WeightsToFloat(tensor.dtype, tensor.bytes, absl::MakeSpan(out));
    return absl::OkStatus();
  }

  absl::Status ReadLinear(TensorKind kind, bool has_bias, Linear& out) const {
    std::vector<float> bias;
    if (has_bias) {
      MOE_RETURN_IF_ERROR(ReadVector(kind, /*is_bias=*/true, bias));
    }
    MOE_ASSIGN_OR_RETURN(const HostTensor tensor,
                         ReadTensor(kind, /*is_bias=*/false));
    const WeightView weight(tensor.bytes.data(), ToWeightType(tensor.dtype),
                            tensor.shape[0], tensor.shape[1]);
    out = PackLinear(weight, std::move(bias), passes_, pool_);
    return absl::OkStatus();
  }

 private:
  // Names and shapes are those of the configuration, since Checkpoint::Open.
  absl::StatusOr<HostTensor> ReadTensor(TensorKind kind, bool is_bias) const {
    const std::string name =
        FormatTensorName({kind, layer_, /*expert=*/-1, is_bias});
    const TensorLocation location = checkpoint_.tensors().Find(name);
    MOE_CHECK(location.tensor != nullptr);
    MOE_ASSIGN_OR_RETURN(HostTensor tensor,
                         location.shard->ReadTensor(*location.tensor));
    const std::optional<int64_t> bad =
        FindNonFinite(tensor.dtype, tensor.bytes);
    if (bad.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          location.shard->path(), ": tensor ", name, ", element ", *bad, " of ",
          FormatShape(tensor.shape),
          ": NaN or infinity; a model with such a weight computes nothing"));
    }
    return tensor;
  }

  const Checkpoint& checkpoint_;
  const int64_t layer_;
  const LayerPasses passes_;
  ThreadPool& pool_;
};

}  // namespace

int64_t DecoderLayerWeights::size_bytes() const {
  int64_t bytes = static_cast<int64_t>(
      (input_norm.size() + post_attention_norm.size()) * sizeof(float));
  for (const Linear* linear :
       {&query, &key, &value, &output, &gate, &up, &down}) {
    bytes += linear->size_bytes();
  }
  return bytes;
}

absl::StatusOr<DecoderLayerWeights> ReadDecoderLayerWeights(
    const Checkpoint& checkpoint, int64_t layer, LayerPasses passes,
    ThreadPool& pool) {
  const LlamaConfig* const config = checkpoint.dense_config();
  MOE_CHECK(config != nullptr && layer >= 0 &&
            layer < config->num_hidden_layers);
  const LayerReader reader(checkpoint, layer, passes, pool);
  DecoderLayerWeights weights;
  MOE_RETURN_IF_ERROR(reader.ReadVector(TensorKind::kInputNorm,
                                        /*is_bias=*/false, weights.input_norm));
  MOE_RETURN_IF_ERROR(reader.ReadVector(TensorKind::kPostAttentionNorm,
                                        /*is_bias=*/false,
                                        weights.post_attention_norm));
  const bool attention_bias = config->attention_bias;
  const bool mlp_bias = config->mlp_bias;
  struct Part {
    TensorKind kind;
    bool has_bias;
    Linear* linear;
  };
  for (const Part& part :
       {Part{TensorKind::kQuery, attention_bias, &weights.query},
        Part{TensorKind::kKey, attention_bias, &weights.key},
        Part{TensorKind::kValue, attention_bias, &weights.value},
        Part{TensorKind::kOutput, attention_bias, &weights.output},
        Part{TensorKind::kMlpGate, mlp_bias, &weights.gate},
        Part{TensorKind::kMlpUp, mlp_bias, &weights.up},
        Part{TensorKind::kMlpDown, mlp_bias, &weights.down}}) {
    MOE_RETURN_IF_ERROR(
        reader.ReadLinear(part.kind, part.has_bias, *part.linear));
  }
  return weights;
}

}  // namespace moe
