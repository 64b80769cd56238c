#include "moe/reconstruct/normal_equations.h"

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/cholesky.h"
#include "moe/kernels/solve/weighted_sums.h"

namespace moe {

NormalEquations::NormalEquations(int64_t num_features, int64_t num_outputs)
    : gram_(Matrix<double>::Zeros(num_features, num_features)),
      products_(Matrix<double>::Zeros(num_outputs, num_features)) {}

int64_t NormalEquations::SizeBytes(int64_t num_features, int64_t num_outputs) {
  return static_cast<int64_t>(sizeof(double)) * num_features *
         (num_features + num_outputs);
}

void NormalEquations::Add(MatrixView<const float> features,
                          MatrixView<const float> wanted,
                          absl::Span<const float> weights, ThreadPool& pool) {
  AddWeightedGram(features, weights, gram_, pool);
  AddWeightedProducts(wanted, features, weights, products_, pool);
}

absl::StatusOr<RidgeSolution> NormalEquations::Solve(double ridge,
                                                     ThreadPool& pool) && {
  RidgeSolution solution;
  solution.lambda = AddRidge(gram_, ridge);
  MOE_RETURN_IF_ERROR(CholeskyFactor(gram_, pool));
  solution.pivot_ratio = CholeskyPivotRatio(gram_);
  SolveCholesky(gram_, products_, pool);
  solution.change = std::move(products_);
  return solution;
}

}  // namespace moe
