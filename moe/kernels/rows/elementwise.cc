#include "moe/kernels/rows/elementwise.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/elementwise.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/rows/row_ops-inl.h"

#ifndef MOE_KERNELS_ROWS_NON_FINITE_
#define MOE_KERNELS_ROWS_NON_FINITE_
namespace moe::kernels::internal {

// NaN and infinity have all bits of the exponent set.
inline constexpr uint32_t kExponentBits = 0x7f800000;

inline int64_t FindInRow(int64_t n, const float* x) {
  for (int64_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<uint32_t>(x[i]);
    if ((bits & kExponentBits) == kExponentBits) return i;
  }
  return n;
}

}  // namespace moe::kernels::internal
#endif  // MOE_KERNELS_ROWS_NON_FINITE_

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

void AddRow(int64_t n, const float* a, const float* b, float* y) {
  MapRow(
      n, y, [](VF x, VF z) HWY_ATTR { return hn::Add(x, z); }, a, b);
}

void SubtractRow(int64_t n, const float* a, const float* b, float* y) {
  MapRow(
      n, y, [](VF x, VF z) HWY_ATTR { return hn::Sub(x, z); }, a, b);
}

void MultiplyRow(int64_t n, const float* a, const float* b, float* y) {
  MapRow(
      n, y, [](VF x, VF z) HWY_ATTR { return hn::Mul(x, z); }, a, b);
}

// The index of the first NaN or infinity, or n.
int64_t FindNonFiniteInRow(int64_t n, const float* x) {
  const DF d;
  const hn::RebindToUnsigned<DF> du;
  const auto exponent = hn::Set(du, internal::kExponentBits);
  int64_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    const auto bits = hn::And(hn::BitCast(du, hn::LoadU(d, x + i)), exponent);
    if (!hn::AllFalse(du, hn::Eq(bits, exponent))) break;
  }
  return i + internal::FindInRow(n - i, x + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

void AddRow(int64_t n, const float* a, const float* b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void SubtractRow(int64_t n, const float* a, const float* b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] - b[i];
}

void MultiplyRow(int64_t n, const float* a, const float* b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}

int64_t FindNonFiniteInRow(int64_t n, const float* x) {
  return internal::FindInRow(n, x);
}

}  // namespace
}  // namespace scalar

namespace {
HWY_EXPORT(AddRow);
HWY_EXPORT(SubtractRow);
HWY_EXPORT(MultiplyRow);
HWY_EXPORT(FindNonFiniteInRow);

using BinaryRow = void (*)(int64_t n, const float* a, const float* b, float* y);

void ForEachRow(BinaryRow kernel, base::MatrixView<const float> a,
                base::MatrixView<const float> b, base::MatrixView<float> y,
                base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(a, b) && base::SameShape(a, y));
  ParallelRows(a.rows, a.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernel(a.cols, a.RowData(t), b.RowData(t), y.RowData(t));
    }
  });
}
}  // namespace

void ResidualAdd(base::MatrixView<const float> a,
                 base::MatrixView<const float> b, base::MatrixView<float> y,
                 base::ThreadPool& pool) {
  ForEachRow(MOE_CHOOSE_KERNEL(AddRow), a, b, y, pool);
}

void Subtract(base::MatrixView<const float> a, base::MatrixView<const float> b,
              base::MatrixView<float> y, base::ThreadPool& pool) {
  ForEachRow(MOE_CHOOSE_KERNEL(SubtractRow), a, b, y, pool);
}

void Multiply(base::MatrixView<const float> a, base::MatrixView<const float> b,
              base::MatrixView<float> y, base::ThreadPool& pool) {
  ForEachRow(MOE_CHOOSE_KERNEL(MultiplyRow), a, b, y, pool);
}

std::optional<MatrixPosition> FindNonFinite(base::MatrixView<const float> x,
                                            base::ThreadPool& pool) {
  const auto find = MOE_CHOOSE_KERNEL(FindNonFiniteInRow);
  std::atomic<int64_t> first_row{x.rows};
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (t >= first_row.load(std::memory_order_relaxed)) return;
      if (find(x.cols, x.RowData(t)) == x.cols) continue;
      int64_t seen = first_row.load(std::memory_order_relaxed);
      while (t < seen && !first_row.compare_exchange_weak(seen, t)) {
      }
      return;
    }
  });
  const int64_t row = first_row.load();
  if (row == x.rows) return std::nullopt;
  return MatrixPosition{row, find(x.cols, x.RowData(row))};
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
