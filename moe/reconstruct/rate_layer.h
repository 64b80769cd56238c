// The split of one layer by activation rates: which neurons every token goes
// through, which experts the others form, and which neuron stands for each
// expert.
//
// A token activates the K_a neurons with the largest |h_tn|, where
//
//   h_t = silu(W_gate x_t) * (W_up x_t)
//
// A_nt is 1 where token t activates neuron n, and 0 elsewhere; c_n = sum_t
// A_nt. The activation rate of a neuron is c_n / T.
//
// Shared neurons are those with the largest rates. The activation vectors A_n
// of the others are clustered by balanced k-means. It starts from the vectors
// of the E neurons with the largest rates, and alternates, for experts of
// m = expert_size neurons:
//
//   1. experts:    the assignment with the least sum_n |A_n - C_e(n)|^2
//   2. centroids:  C_e = S_e / m, where S_e = sum of A_n over the neurons of e
//
// The representative of an expert is its neuron that is nearest to C_e.
//
// All sums are integers, and so exact. As each expert has m neurons, the
// assignment above is the one that maximises sum_n A_n . S_e(n): c_n and
// |C_e|^2 add the same to every assignment.
//
// Source: CMoE ("Carved MoE", arXiv 2502.04416).

#ifndef MOE_RECONSTRUCT_RATE_LAYER_H_
#define MOE_RECONSTRUCT_RATE_LAYER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/reconstruct/rate_split_options.pb.h"

namespace moe::reconstruct {

// activated[t], [K_a], becomes the neurons with the largest |h_tn|, ties to the
// lowest index. `activations` is h [num_tokens, I]; `buffer` grows as needed,
// to at most kRateRowsAtOnce rows. InvalidArgument, with the neuron, if an
// activation is NaN or infinite.
absl::Status ActivateNeurons(base::MatrixView<const float> activations,
                             base::MatrixView<int32_t> activated,
                             base::Matrix<float>& buffer,
                             base::ThreadPool& pool);

inline constexpr int64_t kRateRowsAtOnce = 512;

struct ActivationRateLayer {
  // Every neuron once, ascending in each expert and among the shared ones;
  // `residual` only if there are shared ones. Experts are in the order of the
  // rates that their clusters started from.
  checkpoint::LayerNeuronIndices indices;
  std::vector<int64_t> representatives;  // [E]
  // After each iteration that was made: sum_n |A_n - C_e(n)|^2 by sum_n c_n,
  // over the routed neurons; 0 where none is activated.
  std::vector<double> spread;
  base::Matrix<int32_t>
      counts;          // [T, E]: S_te, the neurons of e that t activates.
  int64_t routed = 0;  // sum of c_n over the neurons that are not shared.
  int64_t shared = 0;  // That over the shared ones.
};

// Splits a layer by what each token activates, `activated` [T, K_a]: neurons
// below `num_neurons`, none twice in a row. `expert_size` is that of SizesOf
// the options, which must be valid. Ties between rates and between distances go
// to the lowest index.
//
// It ends before options.iterations() if an iteration changes nothing.
//
// Bits: a function of the arguments but for the pool, in integers up to a sum
// of 2^24; the costs of larger ones are rounded to float before they are
// assigned. Cost of an iteration: E T K_a additions and BalancedAssigner, which
// starts from the prices of the iteration before. Memory:
// ActivationRateLayerBytes.
absl::StatusOr<ActivationRateLayer> SplitLayerByActivationRate(
    const base::Matrix<int32_t>& activated, int64_t num_neurons,
    const ActivationRateSplitOptions& options, int64_t expert_size,
    base::ThreadPool& pool);

// The sum of S_te over the chosen experts of all tokens. `counts` is [T, E] and
// `chosen` [T, k].
int64_t ChosenActivations(const base::Matrix<int32_t>& counts,
                          const base::Matrix<int32_t>& chosen);
// That if each token had the `top_k` experts with its largest S_te.
int64_t MostActivations(const base::Matrix<int32_t>& counts, int64_t top_k);

struct ActivationRateLayerSize {
  int64_t num_tokens = 0;
  int64_t intermediate_size = 0;
};
// The memory of ActivateNeurons, with what it makes, and of
// SplitLayerByActivationRate.
int64_t ActivationRateLayerBytes(const ActivationRateLayerSize& size,
                                 const ActivationRateSplitOptions& options);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_RATE_LAYER_H_
