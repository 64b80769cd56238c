// Weighted ridge regression: the normal equations, gathered token by token, and
// their solution (Hoerl and Kennard, "Ridge Regression", Technometrics 1970).

#ifndef MOE_RECONSTRUCT_NORMAL_EQUATIONS_H_
#define MOE_RECONSTRUCT_NORMAL_EQUATIONS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::reconstruct {

struct RidgeSolution {
  base::Matrix<double> change;  // [num_outputs, num_features]
  // What was added to the diagonal.
  double lambda = 0.0;
  // A lower bound of the condition number of what was solved.
  double pivot_ratio = 0.0;
};

// For features phi_t [N], wanted outputs e_t [H] and weights w_t, finds D [H,
// N] that makes
//
//   sum over t of w_t |e_t - D phi_t|^2 + lambda |D|^2
//
// least: D = R (G + lambda I)^-1 with G = sum w_t phi_t phi_t^T and
// R = sum w_t e_t phi_t^T. lambda is `ridge` times the mean of G's diagonal.
//
// Bits: a function of the tokens in their order. Sums, factor and solution are
// chains in double as moe/kernels/solve says. How the tokens are grouped into
// calls changes nothing.
class NormalEquations {
 public:
  NormalEquations(int64_t num_features, int64_t num_outputs);

  // Memory of an object, and of a solution.
  static int64_t SizeBytes(int64_t num_features, int64_t num_outputs);

  // Adds tokens: features [T, N], wanted [T, H], weights [T].
  void Add(base::MatrixView<const float> features,
           base::MatrixView<const float> wanted,
           absl::Span<const float> weights, base::ThreadPool& pool);

  // Consumes the sums. InvalidArgument, with the pivot, if G + lambda I is not
  // positive definite.
  absl::StatusOr<RidgeSolution> Solve(double ridge, base::ThreadPool& pool) &&;

 private:
  base::Matrix<double> gram_;      // The lower triangle of G.
  base::Matrix<double> products_;  // R
};

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_NORMAL_EQUATIONS_H_
