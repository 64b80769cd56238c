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

namespace moe::reconstruct {

NormalEquations::NormalEquations(int64_t num_features, int64_t num_outputs)
    : gram_(base::Matrix<double>::Zeros(num_features, num_features)),
      products_(base::Matrix<double>::Zeros(num_outputs, num_features)) {}

int64_t NormalEquations::SizeBytes(int64_t num_features, int64_t num_outputs) {
  return static_cast<int64_t>(sizeof(double)) * num_features *
         (num_features + num_outputs);
}

void NormalEquations::Add(base::MatrixView<const float> features,
                          base::MatrixView<const float> wanted,
                          absl::Span<const float> weights,
                          base::ThreadPool& pool) {
  kernels::AddWeightedGram(features, weights, gram_, pool);
  kernels::AddWeightedProducts(wanted, features, weights, products_, pool);
}

absl::StatusOr<RidgeSolution> NormalEquations::Solve(
    double ridge, base::ThreadPool& pool) && {
  RidgeSolution solution;
  solution.lambda = kernels::AddRidge(gram_, ridge);
  MOE_RETURN_IF_ERROR(kernels::CholeskyFactor(gram_, pool));
  solution.pivot_ratio = kernels::CholeskyPivotRatio(gram_);
  kernels::SolveCholesky(gram_, products_, pool);
  solution.change = std::move(products_);
  return solution;
}

}  // namespace moe::reconstruct
