// The functions of moe/kernels/solve, one multiply-add at a time.

#ifndef MOE_KERNELS_SOLVE_TESTING_SOLVE_REFERENCE_H_
#define MOE_KERNELS_SOLVE_TESTING_SOLVE_REFERENCE_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"

namespace moe::kernels::reference {

void AddWeightedGram(base::MatrixView<const float> inputs,
                     absl::Span<const float> weights,
                     base::Matrix<double>& gram);

void AddWeightedProducts(base::MatrixView<const float> targets,
                         base::MatrixView<const float> inputs,
                         absl::Span<const float> weights,
                         base::Matrix<double>& sums);

// Returns the first pivot that is not positive and finite, or -1. What it found
// there is in `a`.
int64_t CholeskyFactor(base::Matrix<double>& a);

void SolveCholesky(const base::Matrix<double>& factor,
                   base::Matrix<double>& right_sides);

}  // namespace moe::kernels::reference

#endif  // MOE_KERNELS_SOLVE_TESTING_SOLVE_REFERENCE_H_
