// The sums and products of rows, one element at a time. Tests compare the
// vector code with these, and MOE_SIMD_TARGET=scalar runs them.

#ifndef MOE_KERNELS_ROWS_SCALAR_ROW_H_
#define MOE_KERNELS_ROWS_SCALAR_ROW_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace moe::kernels::scalar {

// The sum over i in [0, n) of f(i), a double, over 16 lanes: lane j adds the
// elements j, j + 16, ... in this order from +0; then lane j += lane j + 8, 4,
// 2, 1. Zeros fill up the last round of lanes.
template <typename F>
double SumRow(int64_t n, F f) {
  constexpr int64_t kLanes = 16;
  std::array<double, kLanes> lanes = {};
  for (int64_t i = 0; i < (n + kLanes - 1) / kLanes * kLanes; ++i) {
    lanes[static_cast<size_t>(i % kLanes)] += i < n ? f(i) : 0.0;
  }
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  }
  return lanes[0];
}

inline double SumProducts(int64_t n, const float* a, const float* b) {
  return SumRow(n, [&](int64_t i) { return static_cast<double>(a[i]) * b[i]; });
}

inline double SumValues(int64_t n, const float* a) {
  return SumRow(n, [&](int64_t i) { return static_cast<double>(a[i]); });
}

// The largest of n > 0 elements.
inline float MaxRow(int64_t n, const float* x) {
  float largest = x[0];
  for (int64_t i = 1; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

}  // namespace moe::kernels::scalar

#endif  // MOE_KERNELS_ROWS_SCALAR_ROW_H_
