// The matrices that the tests of moe/kernels/solve share.

#ifndef MOE_KERNELS_SOLVE_TESTING_SOLVE_TEST_DATA_H_
#define MOE_KERNELS_SOLVE_TESTING_SOLVE_TEST_DATA_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"

namespace moe::kernels::testing {

// What lies above the diagonal: a kernel that reads it is found, and one that
// writes it too.
inline double UnusedElement() {
  return std::bit_cast<double>(uint64_t{0x7ff8dead'00000000});
}

// Numbers in [-1, 1) with more digits than a float has.
inline base::Matrix<double> RandomMatrix(int64_t rows, int64_t cols,
                                         absl::string_view name) {
  base::RandomStream stream(/*seed=*/1, name);
  base::Matrix<double> matrix(rows, cols);
  for (double& value : matrix.values()) {
    value = double{stream.UniformSymmetric(1.0f)} +
            0x1p-26 * double{stream.UniformSymmetric(1.0f)};
  }
  return matrix;
}

inline std::vector<float> RandomWeights(int64_t size, absl::string_view name) {
  base::RandomStream stream(/*seed=*/2, name);
  std::vector<float> weights(static_cast<size_t>(size));
  for (float& weight : weights) {
    weight = 1.0f + stream.UniformSymmetric(1.0f);
  }
  return weights;
}

// The lower triangle of a matrix with random elements, `diagonal` + 1 +- 1 on
// the diagonal. It is positive definite if `diagonal` is at least `size`.
inline base::Matrix<double> RandomTriangle(int64_t size, double diagonal,
                                           absl::string_view name) {
  base::Matrix<double> matrix = RandomMatrix(size, size, name);
  for (int64_t i = 0; i < size; ++i) {
    double* const row = matrix.view().RowData(i);
    row[i] += diagonal + 1.0;
    for (int64_t j = i + 1; j < size; ++j) row[j] = UnusedElement();
  }
  return matrix;
}

}  // namespace moe::kernels::testing

#endif  // MOE_KERNELS_SOLVE_TESTING_SOLVE_TEST_DATA_H_
