// The energy split of one layer: which neurons every token goes through, which
// experts the others form, and the router that chooses among these.
//
// It looks for the split and the router that keep as much of the activations'
// energy (energy_sums.h) as possible. With P_te = 1 where token t has expert e
// among its k, and 0 elsewhere, the captured energy is
//
//   sum_t sum_e P_te S_te,    S_te = sum of V_tn over the neurons n of e
//
// Shared neurons are those with the largest mean V_tn. For the others, three
// steps alternate, each of which is solved exactly:
//
//   1. experts:  the assignment of neurons to experts, expert_size each, that
//                maximises sum_n A_n,e(n), with A_ne = sum_t P_te V_tn
//   2. router:   ridge regression of y_te = sqrt(S_te) - mean_e sqrt(S_te) on
//                x_t, with the weights w_t
//   3. P:        the top_k experts of each token by this router
//
// Step 1 cannot lower the captured energy; steps 2 and 3 can. So the iteration
// with the most captured energy is taken, the earliest of equal ones.
//
// Source: the alternation is that of balanced clustering (Bradley, Bennett and
// Demiriz, "Constrained K-Means Clustering", 2000) with a regression in place
// of means.

#ifndef MOE_RECONSTRUCT_ENERGY_LAYER_H_
#define MOE_RECONSTRUCT_ENERGY_LAYER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/reconstruct/energy_split_options.pb.h"

namespace moe::reconstruct {

// All tokens of a layer.
struct EnergyTokens {
  model::HiddenStates& inputs;      // x [T, H], the MLP's inputs.
  model::HiddenStates& energies;    // V [T, I].
  absl::Span<const float> weights;  // w [T].
  absl::Span<const double> totals;  // sum_t V_tn [I], as TakeEnergies gives.
};

struct EnergyLayer {
  base::Matrix<float> router;  // [E, H], scaled to router_spread.
  // Every neuron once, ascending in each expert and among the shared ones;
  // `residual` only if there are shared ones.
  checkpoint::LayerNeuronIndices indices;
  // The captured energy after each iteration, and the index of the best.
  std::vector<double> captured;
  int64_t best_iteration = 0;
  // In the best iteration: the captured energy if each token had the top_k
  // experts with its largest S_te, and the tokens of each expert, [E].
  double oracle = 0.0;
  std::vector<int64_t> loads;
  double routed = 0.0;  // The energy of the neurons that are not shared.
  double shared = 0.0;  // That of the shared ones.
};

// The tokens that StartRouter clusters.
int64_t NumStartTokens(int64_t num_tokens);
// How it clusters them.
ClusteringOptions StartClustering(const EnergySplitOptions& options);

struct StartResources {
  const gates::ClusteringMemory& memory;
  base::MemoryBudget& budget;
  absl::string_view spill_directory;
  base::ThreadPool& pool;
  std::function<void(absl::string_view)> set_detail = nullptr;
};

// The router that the first P comes from, [E, H]: the centroids of k-means by
// cosines (ClusterBalanced with jitter 1, 10 iterations and the stream
// `stream_name`) of n = min(T, 6000) tokens, floor(i T / n) for i < n. The
// errors of ClusterBalanced and HiddenStates.
absl::StatusOr<base::Matrix<float>> StartRouter(
    model::HiddenStates& inputs, const EnergySplitOptions& options,
    absl::string_view stream_name, const StartResources& resources);

// Splits a layer from the P of `start` [E, H], by its logits. `expert_size` is
// what SizesOf gives for the options, which must be valid.
//
// Bits: a function of tokens, start and options. Cost of an iteration: k + 1
// additions for each token and neuron, 2 E H operations in double for each
// token, and BalancedAssigner, which starts from the prices of the iteration
// before. Memory: EnergyLayerBytes.
//
// Errors: those of RouterRegression, ChooseExperts and HiddenStates.
absl::StatusOr<EnergyLayer> SplitLayerByEnergy(
    const EnergyTokens& tokens, base::MatrixView<const float> start,
    const EnergySplitOptions& options, int64_t expert_size,
    base::ThreadPool& pool);

struct EnergyLayerSize {
  int64_t num_tokens = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int num_threads = 1;
};
// The memory of SplitLayerByEnergy and TakeEnergies, without the tokens.
int64_t EnergyLayerBytes(const EnergyLayerSize& size,
                         const EnergySplitOptions& options);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_ENERGY_LAYER_H_
