// The choice of experts by a router: which tokens each expert gets, and with
// what weights, for MLPs and attention (Shazeer et al., "Outrageously Large
// Neural Networks", ICLR 2017, section 2.1, with the softmax before the choice,
// as in Mixtral).

#ifndef MOE_MODEL_LAYER_EXPERT_ROUTING_H_
#define MOE_MODEL_LAYER_EXPERT_ROUTING_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/moe_config.h"

namespace moe::model {

struct RoutingOptions {
  int64_t top_k = 1;
  double scale = 1.0;
};

// For the MLPs and the attention of layers with experts.
RoutingOptions MlpRoutingOptions(const checkpoint::MoeConfig& config);
RoutingOptions AttentionRoutingOptions(const checkpoint::MoeConfig& config);

// The tokens of an expert.
struct ExpertTokens {
  std::vector<int64_t> rows;   // The tokens that chose it, ascending.
  std::vector<float> weights;  // The weight of its output for each of them.
};

// Chooses experts by the logits [num_tokens, num_experts], which become p:
//   p = softmax(logits)                  as moe/kernels/rows/softmax.h says
//   the chosen are the top_k largest p, ties to the lowest expert
//   w_e = float(scale p_e / sum of the chosen p)
// The sum goes over ascending experts. Everything but the last rounding is in
// double. A token's experts and weights depend on its own logits alone. Logits
// must be finite. The result has an element for each expert.
std::vector<ExpertTokens> RouteTokens(const RoutingOptions& options,
                                      base::MatrixView<float> logits,
                                      base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_EXPERT_ROUTING_H_
