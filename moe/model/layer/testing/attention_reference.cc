#include "moe/model/layer/testing/attention_reference.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace moe::model::reference {
namespace {

// Adds the output of one token of a sequence that begins at row `begin`, for
// one head.
void AttendToken(const AttentionInputs& in, int64_t begin, int64_t token,
                 int64_t head, std::vector<double>& out) {
  const int64_t dim = in.shape.head_dim;
  const int64_t kv_head = head / in.shape.HeadsPerGroup();
  const double* const q =
      in.query.data() + token * in.shape.QuerySize() + head * dim;
  std::vector<double> weights;
  double sum = 0.0;
  for (int64_t j = begin; j <= token; ++j) {
    const double* const k =
        in.key.data() + j * in.shape.KeyValueSize() + kv_head * dim;
    double dot = 0.0;
    for (int64_t i = 0; i < dim; ++i) dot += q[i] * k[i];
    weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(dim))));
    sum += weights.back();
  }
  for (int64_t j = begin; j <= token; ++j) {
    const double* const v =
        in.value.data() + j * in.shape.KeyValueSize() + kv_head * dim;
    const double weight = weights[static_cast<size_t>(j - begin)] / sum;
    for (int64_t i = 0; i < dim; ++i) {
      out[static_cast<size_t>(token * in.shape.QuerySize() + head * dim + i)] +=
          weight * v[i];
    }
  }
}

}  // namespace

std::vector<double> CausalAttention(const AttentionInputs& in) {
  std::vector<double> out(in.query.size(), 0.0);
  for (size_t s = 0; s + 1 < in.offsets.size(); ++s) {
    for (int64_t t = in.offsets[s]; t < in.offsets[s + 1]; ++t) {
      for (int64_t head = 0; head < in.shape.num_heads; ++head) {
        AttendToken(in, in.offsets[s], t, head, out);
      }
    }
  }
  return out;
}

}  // namespace moe::model::reference
