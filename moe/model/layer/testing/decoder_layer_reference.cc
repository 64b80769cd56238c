#include "moe/model/layer/testing/decoder_layer_reference.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "moe/model/layer/attention.h"
#include "moe/model/layer/testing/attention_reference.h"

namespace moe::model::reference {
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

std::vector<double> Mlp(const MlpWeights& mlp, const std::vector<double>& x,
                        size_t hidden_size) {
  const std::vector<double> gate = Apply(mlp.gate, x, hidden_size);
  std::vector<double> activation = Apply(mlp.up, x, hidden_size);
  for (size_t i = 0; i < gate.size(); ++i) {
    activation[i] *= gate[i] / (1.0 + std::exp(-gate[i]));
  }
  return activation;
}

size_t IntermediateSize(const MlpWeights& mlp, size_t hidden_size) {
  return mlp.down.weight.size() / hidden_size;
}

std::vector<double> Row(const std::vector<double>& x, size_t row, size_t size) {
  const auto begin = x.begin() + static_cast<std::ptrdiff_t>(row * size);
  return {begin, begin + static_cast<std::ptrdiff_t>(size)};
}

// One token at a time.
std::vector<double> MlpExperts(const Experts<MlpWeights>& mlp,
                               const std::vector<double>& x,
                               size_t hidden_size) {
  std::vector<double> y(x.size(), 0.0);
  for (size_t t = 0; t < x.size() / hidden_size; ++t) {
    const std::vector<double> token = Row(x, t, hidden_size);
    for (const auto& [e, weight] :
         Route(mlp.router, mlp.top_k, mlp.scale, token)) {
      const MlpWeights& expert = mlp.experts[e];
      const std::vector<double> output =
          Apply(expert.down, Mlp(expert, token, hidden_size),
                IntermediateSize(expert, hidden_size));
      for (size_t i = 0; i < hidden_size; ++i) {
        y[t * hidden_size + i] += weight * output[i];
      }
    }
  }
  return y;
}

struct Projections {
  std::vector<double> query, key, value;
};

// The result for every token.
Projections Project(const DecoderLayer& layer, const AttentionWeights& weights,
                    const std::vector<int64_t>& offsets,
                    const std::vector<double>& norm) {
  const auto hidden_size = static_cast<size_t>(layer.config.hidden_size);
  Projections all = {Apply(weights.query, norm, hidden_size),
                     Apply(weights.key, norm, hidden_size),
                     Apply(weights.value, norm, hidden_size)};
  Rotate(layer, offsets, all.query);
  Rotate(layer, offsets, all.key);
  return all;
}

std::vector<double> DenseAttention(const DecoderLayer& layer,
                                   const std::vector<int64_t>& offsets,
                                   const std::vector<double>& norm) {
  const checkpoint::LlamaConfig& config = layer.config;
  const Projections all = Project(layer, layer.attention, offsets, norm);
  AttentionInputs in;
  in.shape = {config.num_attention_heads, config.num_key_value_heads,
              config.head_dim};
  in.offsets = offsets;
  in.query = all.query;
  in.key = all.key;
  in.value = all.value;
  return Apply(layer.attention.output, CausalAttention(in),
               static_cast<size_t>(config.QuerySize()));
}

// An attention expert over all tokens, of which those count that chose it.
struct ExpertRows {
  Projections all;
  size_t num_heads;
  size_t dim;
  std::vector<bool> chosen;
};

// What head `head` gives token t: over the tokens from `begin` to t.
std::vector<double> AttendChosen(const ExpertRows& rows, size_t head,
                                 size_t begin, size_t t) {
  const size_t dim = rows.dim;
  const double* const q =
      rows.all.query.data() + (t * rows.num_heads + head) * dim;
  std::vector<double> out(dim, 0.0);
  double sum = 0.0;
  for (size_t j = begin; j <= t; ++j) {
    if (!rows.chosen[j]) continue;
    double dot = 0.0;
    for (size_t i = 0; i < dim; ++i) dot += q[i] * rows.all.key[j * dim + i];
    const double p = std::exp(dot / std::sqrt(static_cast<double>(dim)));
    sum += p;
    for (size_t i = 0; i < dim; ++i) out[i] += p * rows.all.value[j * dim + i];
  }
  for (double& value : out) value /= sum;
  return out;
}

// The heads of token t, one after another.
std::vector<double> AttendAllHeads(const ExpertRows& rows, size_t begin,
                                   size_t t) {
  std::vector<double> context;
  for (size_t head = 0; head < rows.num_heads; ++head) {
    const std::vector<double> out = AttendChosen(rows, head, begin, t);
    context.insert(context.end(), out.begin(), out.end());
  }
  return context;
}

std::vector<double> AttentionExperts(const DecoderLayer& layer,
                                     const std::vector<int64_t>& offsets,
                                     const std::vector<double>& norm) {
  const Experts<AttentionWeights>& attention = layer.attention_experts;
  const auto hidden_size = static_cast<size_t>(layer.config.hidden_size);
  const size_t num_heads =
      static_cast<size_t>(layer.config.num_attention_heads) /
      attention.experts.size();
  std::vector<std::map<size_t, double>> routes;
  for (size_t t = 0; t < norm.size() / hidden_size; ++t) {
    routes.push_back(Route(attention.router, attention.top_k, attention.scale,
                           Row(norm, t, hidden_size)));
  }
  std::vector<double> y(norm.size(), 0.0);
  for (size_t e = 0; e < attention.experts.size(); ++e) {
    ExpertRows rows = {Project(layer, attention.experts[e], offsets, norm),
                       num_heads,
                       static_cast<size_t>(layer.config.head_dim),
                       {}};
    for (const auto& route : routes) rows.chosen.push_back(route.contains(e));
    size_t begin = 0;
    for (size_t t = 0; t < routes.size(); ++t) {
      if (std::count(offsets.begin(), offsets.end(), static_cast<int64_t>(t)) >
          0)
        begin = t;
      if (!rows.chosen[t]) continue;
      const std::vector<double> out =
          Apply(attention.experts[e].output, AttendAllHeads(rows, begin, t),
                rows.num_heads * rows.dim);
      for (size_t i = 0; i < hidden_size; ++i) {
        y[t * hidden_size + i] += routes[t].at(e) * out[i];
      }
    }
  }
  return y;
}

}  // namespace

std::map<size_t, double> Route(const Linear& router, int64_t top_k,
                               double scale, const std::vector<double>& x) {
  std::vector<double> p = Apply(router, x, x.size());
  double sum = 0.0;
  for (double& value : p) sum += value = std::exp(value);
  std::map<size_t, double> chosen;
  double chosen_sum = 0.0;
  while (chosen.size() < static_cast<size_t>(top_k)) {
    size_t best = p.size();
    for (size_t e = 0; e < p.size(); ++e) {
      if (chosen.contains(e)) continue;
      if (best == p.size() || p[e] > p[best]) best = e;
    }
    chosen[best] = p[best] / sum;
    chosen_sum += chosen[best];
  }
  for (auto& [expert, weight] : chosen) weight *= scale / chosen_sum;
  return chosen;
}

LayerOutput DecoderLayerForward(const DecoderLayer& layer,
                                const LayerInput& input) {
  const auto hidden_size = static_cast<size_t>(layer.config.hidden_size);
  const double epsilon = layer.config.rms_norm_eps;
  LayerOutput out;
  const std::vector<double> norm =
      Norm(input.hidden, layer.input_norm, epsilon);
  out.attention_output = layer.attention_experts.experts.empty()
                             ? DenseAttention(layer, input.offsets, norm)
                             : AttentionExperts(layer, input.offsets, norm);
  const std::vector<double> h = Sum(input.hidden, out.attention_output);
  out.mlp_input = Norm(h, layer.post_attention_norm, epsilon);
  std::vector<double> every_tokens;
  if (!layer.mlp.down.weight.empty()) {
    out.activation = Mlp(layer.mlp, out.mlp_input, hidden_size);
    if (!input.activation_offset.empty()) {
      out.activation = Sum(out.activation, input.activation_offset);
    }
    every_tokens = Apply(layer.mlp.down, out.activation,
                         IntermediateSize(layer.mlp, hidden_size));
  }
  if (layer.mlp_experts.experts.empty()) {
    out.mlp_output = every_tokens;
  } else {
    out.mlp_output = MlpExperts(layer.mlp_experts, out.mlp_input, hidden_size);
    out.residual = every_tokens;
  }
  out.y = Sum(h, out.mlp_output);
  if (!out.residual.empty()) out.y = Sum(out.y, out.residual);
  return out;
}

}  // namespace moe::model::reference
