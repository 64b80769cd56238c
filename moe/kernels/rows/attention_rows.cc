#include "moe/kernels/rows/attention_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/rows/scalar_row.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/attention_rows.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/math/exp-inl.h"
#include "moe/kernels/rows/row_ops-inl.h"

#ifndef MOE_KERNELS_ROWS_ATTENTION_COLUMNS_
#define MOE_KERNELS_ROWS_ATTENTION_COLUMNS_
namespace moe::kernels::internal {

// The elements of SoftmaxColumns from a query on.
struct ColumnPointers {
  const float* max;
  const float* inverse;
  const float* dot;
};

}  // namespace moe::kernels::internal
#endif  // MOE_KERNELS_ROWS_ATTENTION_COLUMNS_

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

float LargestScore(int64_t n, const float* x) { return MaxRow(n, x); }

// out = exp(x - largest). Returns the sum. `out` may be `x`.
double ExpRow(int64_t n, const float* x, float largest, float* out) {
  const DF d;
  const VF shift = hn::Set(d, largest);
  return MapAndSumRow(
      n, out, [&](VF value) HWY_ATTR { return Exp(d, hn::Sub(value, shift)); },
      x);
}

// x = exp(x).
void ExpValues(int64_t n, float* x) {
  MapRow(
      n, x, [](VF value) HWY_ATTR { return Exp(DF(), value); }, x);
}

void ScaleRow(int64_t n, const float* x, float factor, float* out) {
  const VF factors = hn::Set(DF(), factor);
  MapRow(
      n, out, [&](VF value) HWY_ATTR { return hn::Mul(value, factors); }, x);
}

void FinishRow(int64_t n, const float* x, float inverse, float* out) {
  const DF d;
  const VF factor = hn::Set(d, inverse);
  MapRow(
      n, out,
      [&](VF value)
          HWY_ATTR { return hn::Add(hn::Mul(value, factor), hn::Zero(d)); },
      x);
}

float DotRow(int64_t n, const float* a, const float* b) {
  return static_cast<float>(SumProducts(n, a, b));
}

// Handles kFloatLanes elements.
HWY_INLINE void BackwardVector(const internal::ColumnPointers& columns,
                               float* HWY_RESTRICT score,
                               float* HWY_RESTRICT gradient) {
  const DF d;
  const VF shifted = hn::Sub(hn::LoadU(d, score), hn::LoadU(d, columns.max));
  const VF p = hn::Mul(Exp(d, shifted), hn::LoadU(d, columns.inverse));
  const VF difference =
      hn::Sub(hn::LoadU(d, gradient), hn::LoadU(d, columns.dot));
  hn::StoreU(p, d, score);
  hn::StoreU(hn::Mul(p, difference), d, gradient);
}

void SoftmaxColumnsBackwardRow(int64_t n,
                               const internal::ColumnPointers& columns,
                               float* score, float* gradient) {
  int64_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    BackwardVector({columns.max + i, columns.inverse + i, columns.dot + i},
                   score + i, gradient + i);
  }
  if (i == n) return;
  const PaddedFloats max(columns.max + i, n - i);
  const PaddedFloats inverse(columns.inverse + i, n - i);
  const PaddedFloats dot(columns.dot + i, n - i);
  PaddedFloats scores(score + i, n - i);
  PaddedFloats gradients(gradient + i, n - i);
  BackwardVector({max.values, inverse.values, dot.values}, scores.values,
                 gradients.values);
  const auto bytes = static_cast<size_t>(n - i) * sizeof(float);
  std::memcpy(score + i, scores.values, bytes);
  std::memcpy(gradient + i, gradients.values, bytes);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

float LargestScore(int64_t n, const float* x) { return MaxRow(n, x); }

double ExpRow(int64_t n, const float* x, float largest, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = Exp(x[i] - largest);
  return SumValues(n, out);
}

void ExpValues(int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = Exp(x[i]);
}

void ScaleRow(int64_t n, const float* x, float factor, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * factor;
}

void FinishRow(int64_t n, const float* x, float inverse, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * inverse + 0.0f;
}

float DotRow(int64_t n, const float* a, const float* b) {
  return static_cast<float>(SumProducts(n, a, b));
}

void SoftmaxColumnsBackwardRow(int64_t n,
                               const internal::ColumnPointers& columns,
                               float* score, float* gradient) {
  for (int64_t i = 0; i < n; ++i) {
    score[i] = Exp(score[i] - columns.max[i]) * columns.inverse[i];
    gradient[i] = score[i] * (gradient[i] - columns.dot[i]);
  }
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(LargestScore);
HWY_EXPORT(ExpRow);
HWY_EXPORT(ExpValues);
HWY_EXPORT(ScaleRow);
HWY_EXPORT(FinishRow);
HWY_EXPORT(DotRow);
HWY_EXPORT(SoftmaxColumnsBackwardRow);

template <typename T>
bool HasLength(absl::Span<T> values, int64_t length) {
  return static_cast<int64_t>(values.size()) == length;
}

}  // namespace

void SoftmaxPiece(const CausalMask& mask, base::MatrixView<float> x,
                  const RunningSoftmax& rows, absl::Span<float> correction,
                  base::ThreadPool& pool) {
  MOE_CHECK(HasLength(rows.max, x.rows) && HasLength(rows.sum, x.rows) &&
            HasLength(correction, x.rows));
  MOE_CHECK(x.rows == 0 ||
            (x.cols > 0 && mask.first_length > 0 && mask.period > 0));
  const auto largest_of = MOE_CHOOSE_KERNEL(LargestScore);
  const auto exp_values = MOE_CHOOSE_KERNEL(ExpValues);
  const auto exp_row = MOE_CHOOSE_KERNEL(ExpRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    // The maxima of all rows come first: exponentials would wait for each.
    for (int64_t r = begin; r < end; ++r) {
      const auto row = static_cast<size_t>(r);
      const float before = rows.max[row];
      const float largest = largest_of(mask.Length(r, x.cols), x.RowData(r));
      // Adding +0 turns -0 into +0: a maximum may choose either zero.
      rows.max[row] = std::max(before, largest) + 0.0f;
      correction[row] = before - rows.max[row];
    }
    exp_values(end - begin, correction.data() + begin);
    for (int64_t r = begin; r < end; ++r) {
      const auto row = static_cast<size_t>(r);
      const int64_t length = mask.Length(r, x.cols);
      float* const data = x.RowData(r);
      const double earlier =
          rows.sum[row] * static_cast<double>(correction[row]);
      rows.sum[row] = earlier + exp_row(length, data, rows.max[row], data);
      std::fill(data + length, data + x.cols, 0.0f);
    }
  });
}

void Scale(base::MatrixView<const float> x, float factor,
           base::MatrixView<float> out, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(x, out));
  const auto scale = MOE_CHOOSE_KERNEL(ScaleRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      scale(x.cols, x.RowData(r), factor, out.RowData(r));
    }
  });
}

void ScaleRows(absl::Span<const float> factors, base::MatrixView<float> x,
               base::ThreadPool& pool) {
  MOE_CHECK(HasLength(factors, x.rows));
  const auto scale = MOE_CHOOSE_KERNEL(ScaleRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float factor = factors[static_cast<size_t>(r)];
      // It is mostly 1, which changes nothing.
      if (factor != 1.0f) scale(x.cols, x.RowData(r), factor, x.RowData(r));
    }
  });
}

void FinishSoftmax(absl::Span<const double> sums,
                   base::MatrixView<const float> x, absl::Span<float> inverses,
                   base::MatrixView<float> out, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(x, out) && HasLength(sums, x.rows) &&
            HasLength(inverses, x.rows));
  const auto finish = MOE_CHOOSE_KERNEL(FinishRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const auto row = static_cast<size_t>(r);
      inverses[row] = static_cast<float>(1.0 / sums[row]);
      finish(x.cols, x.RowData(r), inverses[row], out.RowData(r));
    }
  });
}

void DotRows(base::MatrixView<const float> a, base::MatrixView<const float> b,
             absl::Span<float> out, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(a, b) && HasLength(out, a.rows));
  const auto dot = MOE_CHOOSE_KERNEL(DotRow);
  ParallelRows(a.rows, a.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      out[static_cast<size_t>(r)] = dot(a.cols, a.RowData(r), b.RowData(r));
    }
  });
}

void SoftmaxColumnsBackward(const SoftmaxColumns& columns, int64_t first_query,
                            base::MatrixView<float> scores,
                            base::MatrixView<float> gradients,
                            base::ThreadPool& pool) {
  const int64_t cols = scores.cols;
  MOE_CHECK(base::SameShape(scores, gradients) &&
            HasLength(columns.max, cols) && HasLength(columns.inverse, cols) &&
            HasLength(columns.dot, cols));
  const auto backward = MOE_CHOOSE_KERNEL(SoftmaxColumnsBackwardRow);
  ParallelRows(scores.rows, cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const int64_t first = std::clamp<int64_t>(first_query + j, 0, cols);
      float* const score = scores.RowData(j);
      float* const gradient = gradients.RowData(j);
      std::fill(score, score + first, 0.0f);
      std::fill(gradient, gradient + first, 0.0f);
      backward(cols - first,
               {columns.max.data() + first, columns.inverse.data() + first,
                columns.dot.data() + first},
               score + first, gradient + first);
    }
  });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
