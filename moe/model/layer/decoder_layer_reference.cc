#include "moe/model/layer/decoder_layer_reference.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "moe/model/layer/attention.h"
#include "moe/model/layer/attention_reference.h"

namespace moe::reference {
namespace {

std::vector<double> Norm(const std::vector<double>& x,
                         const std::vector<double>& weight, double epsilon) {
  std::vector<double> y;
  const size_t size = weight.size();
  for (size_t begin = 0; begin < x.size(); begin += size) {
    double sum = 0.0;
    for (size_t i = 0; i < size; ++i) sum += x[begin + i] * x[begin + i];
    const double root = std::sqrt(sum / static_cast<double>(size) + epsilon);
    for (size_t i = 0; i < size; ++i) {
      y.push_back(x[begin + i] / root * weight[i]);
    }
  }
  return y;
}

std::vector<double> Apply(const Linear& linear, const std::vector<double>& x,
                          size_t in) {
  std::vector<double> y;
  const size_t out = linear.weight.size() / in;
  for (size_t begin = 0; begin < x.size(); begin += in) {
    for (size_t o = 0; o < out; ++o) {
      double sum = linear.bias.empty() ? 0.0 : linear.bias[o];
      for (size_t i = 0; i < in; ++i) {
        sum += x[begin + i] * linear.weight[o * in + i];
      }
      y.push_back(sum);
    }
  }
  return y;
}

void Rotate(const DecoderLayer& layer, const std::vector<int64_t>& offsets,
            std::vector<double>& x) {
  const size_t half = layer.frequencies.size();
  const size_t cols = x.size() / static_cast<size_t>(offsets.back());
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    for (int64_t t = offsets[s]; t < offsets[s + 1]; ++t) {
      for (size_t c = 0; c < cols; c += 2 * half) {
        double* const head = x.data() + static_cast<size_t>(t) * cols + c;
        for (size_t i = 0; i < half; ++i) {
          const double angle =
              static_cast<double>(t - offsets[s]) * layer.frequencies[i];
          const double low = head[i];
          const double high = head[half + i];
          head[i] = low * std::cos(angle) - high * std::sin(angle);
          head[half + i] = high * std::cos(angle) + low * std::sin(angle);
        }
      }
    }
  }
}

std::vector<double> Sum(const std::vector<double>& a,
                        const std::vector<double>& b) {
  std::vector<double> sum = a;
  for (size_t i = 0; i < a.size(); ++i) sum[i] += b[i];
  return sum;
}

std::vector<double> Attention(const DecoderLayer& layer,
                              const LayerInput& input) {
  const LlamaConfig& config = layer.config;
  const auto hidden_size = static_cast<size_t>(config.hidden_size);
  const std::vector<double> norm =
      Norm(input.hidden, layer.input_norm, config.rms_norm_eps);
  AttentionInputs in;
  in.shape = {config.num_attention_heads, config.num_key_value_heads,
              config.head_dim};
  in.offsets = input.offsets;
  in.query = Apply(layer.query, norm, hidden_size);
  in.key = Apply(layer.key, norm, hidden_size);
  in.value = Apply(layer.value, norm, hidden_size);
  Rotate(layer, input.offsets, in.query);
  Rotate(layer, input.offsets, in.key);
  return Apply(layer.output, CausalAttention(in),
               static_cast<size_t>(config.QuerySize()));
}

}  // namespace

LayerOutput DecoderLayerForward(const DecoderLayer& layer,
                                const LayerInput& input) {
  const auto hidden_size = static_cast<size_t>(layer.config.hidden_size);
  LayerOutput out;
  out.attention_output = Attention(layer, input);
  const std::vector<double> h = Sum(input.hidden, out.attention_output);
  out.mlp_input = Norm(h, layer.post_attention_norm, layer.config.rms_norm_eps);
  const std::vector<double> gate =
      Apply(layer.gate, out.mlp_input, hidden_size);
  out.activation = Apply(layer.up, out.mlp_input, hidden_size);
  for (size_t i = 0; i < gate.size(); ++i) {
    out.activation[i] *= gate[i] / (1.0 + std::exp(-gate[i]));
  }
  if (!input.activation_offset.empty()) {
    out.activation = Sum(out.activation, input.activation_offset);
  }
  out.mlp_output = Apply(layer.down, out.activation,
                         static_cast<size_t>(layer.config.intermediate_size));
  out.y = Sum(h, out.mlp_output);
  return out;
}

}  // namespace moe::reference
