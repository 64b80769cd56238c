// Which tokens go to which expert, and with what weight: the router of a
// Mixture of Experts (Shazeer et al., "Outrageously Large Neural Networks",
// ICLR 2017, section 2.1, with the softmax before the choice, as in Mixtral),
// of MLPs and of attention.

#ifndef MOE_MODEL_LAYER_EXPERT_ROUTING_H_
#define MOE_MODEL_LAYER_EXPERT_ROUTING_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/moe_config.h"

namespace moe {

struct RoutingOptions {
  int64_t top_k = 1;
  double scale = 1.0;
};

// Of the layers' MLPs and attention that have experts.
RoutingOptions MlpRoutingOptions(const MoeConfig& config);
RoutingOptions AttentionRoutingOptions(const MoeConfig& config);

// What one expert gets.
struct ExpertTokens {
  std::vector<int64_t> rows;   // Of the tokens that chose it, ascending.
  std::vector<float> weights;  // Of its output, for each of them.
};

// For the logits [num_tokens, num_experts] of every token, which become p:
//   p = softmax(logits)                  as moe/kernels/rows/softmax.h says
//   the chosen are the top_k largest p, ties to the lowest expert
//   w_e = float(scale p_e / sum of the chosen p)
// the sum over ascending experts, all but the last rounding in double. A
// token's experts and weights depend on its own logits alone. Logits must be
// finite. An element for each expert.
std::vector<ExpertTokens> RouteTokens(const RoutingOptions& options,
                                      MatrixView<float> logits,
                                      ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_EXPERT_ROUTING_H_
