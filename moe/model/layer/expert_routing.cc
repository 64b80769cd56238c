#include "moe/model/layer/expert_routing.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/kernels/rows/top_k.h"

namespace moe::model {

RoutingOptions MlpRoutingOptions(const checkpoint::MoeConfig& config) {
  return {config.num_experts_per_tok, config.scale_factor};
}

RoutingOptions AttentionRoutingOptions(const checkpoint::MoeConfig& config) {
  return {config.top_k_attn, config.scale_factor_attn};
}

std::vector<ExpertTokens> RouteTokens(const RoutingOptions& options,
                                      base::MatrixView<float> logits,
                                      base::ThreadPool& pool) {
  MOE_CHECK(options.top_k > 0 && options.top_k <= logits.cols);
  kernels::Softmax(logits, /*scale=*/1.0f, kernels::CausalMask(), logits, pool);
  std::vector<int32_t> chosen(static_cast<size_t>(logits.rows * options.top_k));
  const base::MatrixView<int32_t> experts(chosen.data(), logits.rows,
                                          options.top_k);
  kernels::TopK(logits, experts, pool);
  std::vector<ExpertTokens> tokens(static_cast<size_t>(logits.cols));
  for (int64_t t = 0; t < logits.rows; ++t) {
    const absl::Span<int32_t> row = experts.Row(t);
    std::sort(row.begin(), row.end());
    const float* const p = logits.RowData(t);
    double sum = 0.0;
    for (const int32_t e : row) sum += static_cast<double>(p[e]);
    for (const int32_t e : row) {
      ExpertTokens& expert = tokens[static_cast<size_t>(e)];
      expert.rows.push_back(t);
      expert.weights.push_back(
          static_cast<float>(options.scale * static_cast<double>(p[e]) / sum));
    }
  }
  return tokens;
}

}  // namespace moe::model
