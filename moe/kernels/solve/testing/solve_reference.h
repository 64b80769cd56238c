// The functions of moe/kernels/solve, one multiply-add at a time.

#ifndef MOE_KERNELS_SOLVE_TESTING_SOLVE_REFERENCE_H_
#define MOE_KERNELS_SOLVE_TESTING_SOLVE_REFERENCE_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"

namespace moe::reference {

void AddWeightedGram(MatrixView<const float> inputs,
                     absl::Span<const float> weights, Matrix<double>& gram);

void AddWeightedProducts(MatrixView<const float> targets,
                         MatrixView<const float> inputs,
                         absl::Span<const float> weights, Matrix<double>& sums);

// Returns the first pivot that is not positive and finite, or -1. What it found
// there is in `a`.
int64_t CholeskyFactor(Matrix<double>& a);

void SolveCholesky(const Matrix<double>& factor, Matrix<double>& right_sides);

}  // namespace moe::reference

#endif  // MOE_KERNELS_SOLVE_TESTING_SOLVE_REFERENCE_H_
