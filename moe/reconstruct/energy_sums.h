// The energy of each neuron for each token, and the sums of it that the energy
// split needs.
//
// For tokens with weights w_t, activations h_t = silu(W_gate x_t) * (W_up x_t)
// and the columns d_n of W_down:
//
//   V_tn = w_t h_tn^2 |d_n|^2
//
// is the squared error, times w_t, that leaving out neuron n alone makes in the
// MLP's output for token t.
//
// Bits: every sum is one chain of additions in double, in the order that its
// function states. So no result depends on the number of threads, the SIMD
// target or how tokens are grouped into calls.

#ifndef MOE_RECONSTRUCT_ENERGY_SUMS_H_
#define MOE_RECONSTRUCT_ENERGY_SUMS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::reconstruct {

// The tokens that the passes over a layer take together. No bit depends on it.
inline constexpr int64_t kEnergyRowsAtOnce = 512;

// norms[c] += sum of x_rc^2 over ascending r, [x.cols]. Squares of floats are
// exact in double. Calls with successive rows continue the chains.
void AddSquaredColumnNorms(base::MatrixView<const float> x,
                           absl::Span<double> norms, base::ThreadPool& pool);

// Overwrites activations h [T, I] with
//   V_tn = float(double(w_t) * (column_norms[n] * double(h_tn)^2))
// and returns the sums of V_tn over ascending t, [I]. InvalidArgument, with the
// neuron, if an energy is NaN or beyond the range of a float; the errors of
// HiddenStates.
absl::StatusOr<std::vector<double>> TakeEnergies(
    model::HiddenStates& activations, absl::Span<const float> weights,
    absl::Span<const double> column_norms, base::ThreadPool& pool);

// The sum of totals[n] over `neurons`, in their order.
double SumOver(absl::Span<const int64_t> neurons,
               absl::Span<const double> totals);

// affinity[e][n] += V_tn for each token t, ascending, that has e among
// `chosen` [num_tokens, k]; an expert at most once in a row. `energies` is
// [num_tokens, I] and `affinity` [E, I]. Calls with successive tokens continue
// the chains. k I additions for each token.
void AddAffinity(base::MatrixView<const float> energies,
                 base::MatrixView<const int32_t> chosen,
                 base::Matrix<double>& affinity, base::ThreadPool& pool);

// S_te = float(sum of V_tn over n in row e of `experts`, in its order):
// `energies` is [num_tokens, I], `experts` [E, expert_size], `sums`
// [num_tokens, E].
void SumByExpert(base::MatrixView<const float> energies,
                 const base::Matrix<int64_t>& experts,
                 base::MatrixView<float> sums, base::ThreadPool& pool);

// What a router is fitted to, [num_tokens, E]:
//   y_te = float(r_te - (sum of r_te over ascending e) / E), r_te = sqrt(S_te)
// in double.
void RouterTargets(base::MatrixView<const float> sums,
                   base::MatrixView<float> targets, base::ThreadPool& pool);

// What TakeEnergies and SumByExpert give for an expert that has all neurons of
// `activations` h [num_tokens, I], without keeping the energies: sums[t], for
// `sums` [num_tokens, 1], is float(sum of V_tn over ascending n).
void SumEnergies(base::MatrixView<const float> activations,
                 absl::Span<const float> weights,
                 absl::Span<const double> column_norms,
                 base::MatrixView<float> sums, base::ThreadPool& pool);

// sum += S_te over the chosen experts [num_tokens, k] of all tokens. For a
// token they are added from the largest to the smallest, then tokens ascending.
// So no choice of k experts gives more than that of the k largest S_te, and
// none more than all experts, to the last bit. Calls with successive tokens
// continue the chain.
void AddChosenEnergy(base::MatrixView<const float> sums,
                     base::MatrixView<const int32_t> chosen, double& sum);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_ENERGY_SUMS_H_
