#include "moe/kernels/gemm/testing/gemm_reference.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "moe/base/check.h"
#include "moe/base/matrix_view.h"

namespace moe::kernels::reference {
namespace {

// Part of the contract. Repeated here, so that a change elsewhere shows.
constexpr int64_t kDepthBlock = 256;

// The sum of a[k] b[k].
float Dot(const float* a, const float* b, int64_t depth) {
  float result = 0.0f;
  for (int64_t begin = 0; begin < depth; begin += kDepthBlock) {
    float partial = 0.0f;
    for (int64_t k = begin; k < std::min(begin + kDepthBlock, depth); ++k) {
      partial = std::fma(a[k], b[k], partial);
    }
    result = begin == 0 ? partial : result + partial;
  }
  return result;
}

}  // namespace

void Gemm(base::MatrixView<const float> a, base::MatrixView<const float> b,
          base::MatrixView<float> c) {
  MOE_CHECK(a.cols == b.cols && a.rows == c.rows && b.rows == c.cols);
  for (int64_t m = 0; m < c.rows; ++m) {
    for (int64_t n = 0; n < c.cols; ++n) {
      c.RowData(m)[n] = Dot(a.RowData(m), b.RowData(n), a.cols);
    }
  }
}

void GemmTransposed(base::MatrixView<const float> a,
                    base::MatrixView<const float> b,
                    base::MatrixView<float> c) {
  MOE_CHECK(a.cols == b.rows && a.rows == c.rows && b.cols == c.cols);
  std::vector<float> column(static_cast<size_t>(b.rows));
  for (int64_t n = 0; n < c.cols; ++n) {
    for (int64_t k = 0; k < b.rows; ++k) {
      column[static_cast<size_t>(k)] = b.RowData(k)[n];
    }
    for (int64_t m = 0; m < c.rows; ++m) {
      c.RowData(m)[n] = Dot(a.RowData(m), column.data(), a.cols);
    }
  }
}

}  // namespace moe::kernels::reference
