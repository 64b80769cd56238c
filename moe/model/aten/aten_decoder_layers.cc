#include "moe/model/aten/aten_decoder_layers.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/rows/rope.h"
#include "moe/model/aten/aten_attention.h"
#include "moe/model/aten/aten_options.h"
#include "moe/model/aten/aten_types.h"
#include "moe/model/aten/aten_weights.h"
#include "moe/model/layer/activation_error.h"
#include "moe/model/layer/rotary_tables.h"

namespace moe::model {
namespace {

// The rows that the MLP takes at once: enough for fast products.
constexpr int64_t kMlpRows = 1024;

struct LinearWeights {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out], or undefined.
};

struct LayerWeights {
  at::Tensor input_norm;           // [H]
  at::Tensor post_attention_norm;  // [H]
  LinearWeights query, key, value, output, gate, up, down;
};

at::Tensor Apply(const LinearWeights& linear, const at::Tensor& x) {
  if (!linear.bias.defined()) return at::linear(x, linear.weight);
  return at::linear(x, linear.weight, linear.bias);
}

// The angles of the positions of some sequences, for heads of [num_sequences,
// length, num_heads, head_dim].
struct Angles {
  at::Tensor cos;  // [length, 1, head_dim / 2]
  at::Tensor sin;
};

// As ApplyRope of moe/kernels/rows/rope.h, in float32.
at::Tensor Rotate(const at::Tensor& heads, const Angles& angles) {
  const at::Tensor x = heads.to(c10::kFloat);
  const int64_t half = x.size(3) / 2;
  const at::Tensor first = x.narrow(3, 0, half);
  const at::Tensor second = x.narrow(3, half, half);
  return at::cat({first.mul(angles.cos).sub_(second.mul(angles.sin)),
                  second.mul(angles.cos).add_(first.mul(angles.sin))},
                 3);
}

// Consecutive sequences of one length.
struct Run {
  int64_t first_row;  // In the batch.
  int64_t num_sequences;
  int64_t length;

  // The run's rows of x [rows of the batch, num_heads * head_dim].
  at::Tensor Heads(const at::Tensor& x, int64_t head_dim) const {
    return x.narrow(0, first_row, num_sequences * length)
        .view({num_sequences, length, x.size(1) / head_dim, head_dim});
  }
};

template <typename Body>
void ForEachRun(const AtenBatch& batch, const Body& body) {
  const auto row = [&batch](int64_t sequence) {
    return batch.offsets[static_cast<size_t>(sequence)] - batch.FirstRow();
  };
  for (int64_t begin = batch.begin; begin < batch.end;) {
    const int64_t length = row(begin + 1) - row(begin);
    int64_t end = begin + 1;
    while (end < batch.end && row(end + 1) - row(end) == length) ++end;
    if (length > 0) body(Run{row(begin), end - begin, length});
    begin = end;
  }
}

}  // namespace

int64_t AtenBatch::FirstRow() const {
  return offsets[static_cast<size_t>(begin)];
}

int64_t AtenBatch::NumRows() const {
  return offsets[static_cast<size_t>(end)] - FirstRow();
}

absl::Status CheckAtenFinite(absl::string_view what,
                             absl::Span<const int64_t> offsets,
                             const at::Tensor& x, int64_t first_row) {
  // A NaN or an infinity in x makes the sum NaN or infinite. Finite terms can
  // overflow, but rarely do.
  const auto sum = x.sum(c10::kFloat).item<float>();
  if (std::isfinite(sum)) return absl::OkStatus();
  const at::Tensor bad = at::isfinite(x).logical_not_().nonzero();
  if (bad.size(0) == 0) return absl::OkStatus();
  return NonFiniteActivationError({what, offsets,
                                   first_row + bad[0][0].item<int64_t>(),
                                   bad[0][1].item<int64_t>(), x.size(1)});
}

at::Tensor AtenRmsNorm(const at::Tensor& x, const at::Tensor& weight,
                       double epsilon) {
  const at::Tensor mean_square = x.square().mean(1, /*keepdim=*/true);
  return x.mul(at::rsqrt(mean_square.add(epsilon))).mul_(weight);
}

int64_t AtenLayerActivations(const checkpoint::LlamaConfig& config,
                             int64_t num_rows) {
  const int64_t attention = 2 * config.hidden_size + 5 * config.QuerySize() +
                            2 * config.KeyValueSize();
  const int64_t mlp = 3 * (config.hidden_size + config.intermediate_size);
  const int64_t scores = std::min(
      kMaxAttentionScores, config.num_attention_heads * num_rows * num_rows);
  return num_rows * attention + std::min(num_rows, kMlpRows) * mlp + scores;
}

class AtenDecoderLayers::Impl {
 public:
  Impl(const AtenModel& model, const RotaryTables& rotary, AtenDevice device,
       AtenProducts products)
      : model_(model),
        config_(model.config),
        rotary_(rotary),
        device_(ToTorchDevice(device)),
        product_type_(ToScalarType(products)) {}

  absl::Status Read(int64_t layer);
  absl::Status Forward(const AtenBatch& batch, const at::Tensor& hidden);

 private:
  absl::Status ReadNorm(int64_t layer, checkpoint::TensorKind kind,
                        at::Tensor& out) const;
  absl::Status ReadLinear(int64_t layer, checkpoint::TensorKind kind,
                          bool has_bias, LinearWeights& out) const;

  Angles AnglesFor(int64_t length);
  absl::Status AddAttention(const AtenBatch& batch, const at::Tensor& x);
  absl::Status AddMlp(const AtenBatch& batch, const at::Tensor& x) const;
  at::Tensor Attend(const AtenBatch& batch, const at::Tensor& query,
                    const at::Tensor& key, const at::Tensor& value) const;

  const AtenModel& model_;
  const checkpoint::LlamaConfig& config_;
  const RotaryTables& rotary_;
  const c10::Device device_;
  const c10::ScalarType product_type_;
  LayerWeights weights_;
  // The whole tables that were used so far, on the device.
  std::map<const kernels::RopeTable*, Angles> angles_;
};

absl::Status AtenDecoderLayers::Impl::ReadNorm(int64_t layer,
                                               checkpoint::TensorKind kind,
                                               at::Tensor& out) const {
  MOE_ASSIGN_OR_RETURN(const at::Tensor stored,
                       ReadAtenWeight(model_, {kind, layer}));
  out = stored.to(device_).to(c10::kFloat);
  return absl::OkStatus();
}

absl::Status AtenDecoderLayers::Impl::ReadLinear(int64_t layer,
                                                 checkpoint::TensorKind kind,
                                                 bool has_bias,
                                                 LinearWeights& out) const {
  MOE_ASSIGN_OR_RETURN(const at::Tensor weight,
                       ReadAtenWeight(model_, {kind, layer}));
  out.weight = weight.to(device_).to(product_type_);
  if (!has_bias) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const at::Tensor bias,
                       ReadAtenWeight(model_, {kind, layer, /*expert=*/-1,
                                               /*is_bias=*/true}));
  out.bias = bias.to(device_).to(product_type_);
  return absl::OkStatus();
}

absl::Status AtenDecoderLayers::Impl::Read(int64_t layer) {
  weights_ = {};
  MOE_RETURN_IF_ERROR(
      ReadNorm(layer, checkpoint::TensorKind::kInputNorm, weights_.input_norm));
  MOE_RETURN_IF_ERROR(ReadNorm(layer,
                               checkpoint::TensorKind::kPostAttentionNorm,
                               weights_.post_attention_norm));
  struct Part {
    checkpoint::TensorKind kind;
    bool has_bias;
    LinearWeights* linear;
  };
  const bool attention_bias = config_.attention_bias;
  const bool mlp_bias = config_.mlp_bias;
  for (const Part& part :
       {Part{checkpoint::TensorKind::kQuery, attention_bias, &weights_.query},
        Part{checkpoint::TensorKind::kKey, attention_bias, &weights_.key},
        Part{checkpoint::TensorKind::kValue, attention_bias, &weights_.value},
        Part{checkpoint::TensorKind::kOutput, attention_bias, &weights_.output},
        Part{checkpoint::TensorKind::kMlpGate, mlp_bias, &weights_.gate},
        Part{checkpoint::TensorKind::kMlpUp, mlp_bias, &weights_.up},
        Part{checkpoint::TensorKind::kMlpDown, mlp_bias, &weights_.down}}) {
    MOE_RETURN_IF_ERROR(
        ReadLinear(layer, part.kind, part.has_bias, *part.linear));
  }
  return absl::OkStatus();
}

Angles AtenDecoderLayers::Impl::AnglesFor(int64_t length) {
  const kernels::RopeTable& table = rotary_.ForLength(length);
  auto found = angles_.find(&table);
  if (found == angles_.end()) {
    const auto to_device = [&](const float* values) {
      return at::from_blob(const_cast<float*>(values),
                           {table.num_positions(), 1, table.head_dim() / 2},
                           c10::kFloat)
          .to(device_);
    };
    const Angles angles = {to_device(table.Cos(0)), to_device(table.Sin(0))};
    found = angles_.emplace(&table, angles).first;
  }
  const Angles& all = found->second;
  return {all.cos.narrow(0, 0, length), all.sin.narrow(0, 0, length)};
}

// [rows of the batch, Q].
at::Tensor AtenDecoderLayers::Impl::Attend(const AtenBatch& batch,
                                           const at::Tensor& query,
                                           const at::Tensor& key,
                                           const at::Tensor& value) const {
  at::Tensor context = at::empty_like(query);
  ForEachRun(batch, [&](const Run& run) {
    const int64_t head_dim = config_.head_dim;
    const at::Tensor q = run.Heads(query, head_dim).transpose(1, 2);
    const at::Tensor k = run.Heads(key, head_dim).transpose(1, 2);
    const at::Tensor v = run.Heads(value, head_dim).transpose(1, 2);
    run.Heads(context, head_dim)
        .copy_(AtenCausalAttention({q, k, v}).transpose(1, 2));
  });
  return context;
}

absl::Status AtenDecoderLayers::Impl::AddAttention(const AtenBatch& batch,
                                                   const at::Tensor& x) {
  const at::Tensor norm =
      AtenRmsNorm(x, weights_.input_norm, config_.rms_norm_eps)
          .to(product_type_);
  const at::Tensor query = Apply(weights_.query, norm);
  const at::Tensor key = Apply(weights_.key, norm);
  const at::Tensor value = Apply(weights_.value, norm);
  ForEachRun(batch, [&](const Run& run) {
    const Angles angles = AnglesFor(run.length);
    for (const at::Tensor& rotated : {query, key}) {
      const at::Tensor heads = run.Heads(rotated, config_.head_dim);
      heads.copy_(Rotate(heads, angles));
    }
  });
  const auto check = [&batch](absl::string_view what, const at::Tensor& rows) {
    return CheckAtenFinite(what, batch.offsets, rows, batch.FirstRow());
  };
  MOE_RETURN_IF_ERROR(check("attention queries", query));
  MOE_RETURN_IF_ERROR(check("attention keys", key));
  MOE_RETURN_IF_ERROR(check("attention values", value));
  x.add_(Apply(weights_.output, Attend(batch, query, key, value)));
  return check("hidden state after attention", x);
}

absl::Status AtenDecoderLayers::Impl::AddMlp(const AtenBatch& batch,
                                             const at::Tensor& x) const {
  for (int64_t begin = 0; begin < x.size(0); begin += kMlpRows) {
    const at::Tensor rows =
        x.narrow(0, begin, std::min(kMlpRows, x.size(0) - begin));
    const at::Tensor norm =
        AtenRmsNorm(rows, weights_.post_attention_norm, config_.rms_norm_eps)
            .to(product_type_);
    at::Tensor activation = at::silu(Apply(weights_.gate, norm));
    activation.mul_(Apply(weights_.up, norm));
    MOE_RETURN_IF_ERROR(CheckAtenFinite("MLP activation", batch.offsets,
                                        activation, batch.FirstRow() + begin));
    rows.add_(Apply(weights_.down, activation));
  }
  return CheckAtenFinite("hidden state after the MLP", batch.offsets, x,
                         batch.FirstRow());
}

absl::Status AtenDecoderLayers::Impl::Forward(const AtenBatch& batch,
                                              const at::Tensor& hidden) {
  const at::Tensor x = hidden.narrow(0, batch.FirstRow(), batch.NumRows());
  MOE_RETURN_IF_ERROR(AddAttention(batch, x));
  return AddMlp(batch, x);
}

AtenDecoderLayers::AtenDecoderLayers(const AtenModel& model,
                                     const RotaryTables& rotary,
                                     AtenDevice device, AtenProducts products)
    : impl_(std::make_unique<Impl>(model, rotary, device, products)) {}

AtenDecoderLayers::~AtenDecoderLayers() = default;

absl::Status AtenDecoderLayers::Read(int64_t layer) {
  return impl_->Read(layer);
}

absl::Status AtenDecoderLayers::Forward(const AtenBatch& batch,
                                        const at::Tensor& hidden) {
  return impl_->Forward(batch, hidden);
}

}  // namespace moe::model
