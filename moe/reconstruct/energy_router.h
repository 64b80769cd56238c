// A router by ridge regression, and the experts that a router chooses.

#ifndef MOE_RECONSTRUCT_ENERGY_ROUTER_H_
#define MOE_RECONSTRUCT_ENERGY_ROUTER_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::reconstruct {

// Fits linear maps from the inputs x_t [H] of a layer's tokens with weights w_t
// to targets y_t. For each target e the weights g_e [H] are the minimum of
//   sum_t w_t (y_te - g_e . x_t)^2 + lambda |g_e|^2
// where lambda = ridge * mean(diag G) and G = sum_t w_t x_t x_t^T:
//   g_e = (G + lambda I)^-1 sum_t w_t y_te x_t
//
// G is summed and factored once. Sums, factor and solution are in double, in
// the order of moe/kernels/solve; so the bits do not depend on threads, SIMD
// target, memory budget or how tokens are grouped into calls.
class RouterRegression {
 public:
  // H^2 num_tokens + H^3 / 3 operations in double; 8 H^2 bytes. InvalidArgument
  // if G + lambda I is not positive definite: with a ridge of 0, there must be
  // at least H independent x_t. The errors of HiddenStates.
  static absl::StatusOr<RouterRegression> Create(
      model::HiddenStates& inputs, absl::Span<const float> weights,
      double ridge, base::ThreadPool& pool);

  // Row e is float(s g_e) for the sums in row e, r_e = sum_t w_t y_te x_t, of
  // `sums` [E, H] (AddWeightedProducts), which become g. s is the largest power
  // of two for which the root mean square of the logits s g_e . x_t, over
  // experts and tokens, is at most `spread`; 1 if all logits are 0. It follows
  // from the equations: with w_t, the mean square is
  //   sum over e of (g_e . r_e - lambda |g_e|^2) / (E T)
  // InvalidArgument if a weight is NaN or infinite. 2 E H^2 operations in
  // double.
  absl::StatusOr<base::Matrix<float>> Solve(base::Matrix<double>& sums,
                                            double spread,
                                            base::ThreadPool& pool) const;

 private:
  RouterRegression(base::Matrix<double> factor, double lambda,
                   int64_t num_tokens)
      : factor_(std::move(factor)), lambda_(lambda), num_tokens_(num_tokens) {}

  base::Matrix<double> factor_;  // [H, H], the lower triangle.
  double lambda_;
  int64_t num_tokens_;
};

enum class ExpertRanking {
  // By the logits x_t . g_e.
  kLogits,
  // By softmax of the logits, rounded to float: as RouteTokens ranks them, so
  // that the choice is the converted model's.
  kProbabilities,
};

// chosen[t], [k], becomes the k = chosen.cols experts with the largest values,
// the largest first, ties to the lowest expert. `inputs` is x [T, H], `router`
// g [E, H] and `chosen` [T, k]. Logits are products in float by Gemm.
// InvalidArgument, with the token, if a logit is NaN or infinite; the errors of
// HiddenStates.
absl::Status ChooseExperts(model::HiddenStates& inputs,
                           base::MatrixView<const float> router,
                           ExpertRanking ranking,
                           base::MatrixView<int32_t> chosen,
                           base::ThreadPool& pool);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_ENERGY_ROUTER_H_
