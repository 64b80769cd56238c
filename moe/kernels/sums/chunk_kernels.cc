#include "moe/kernels/sums/chunk_kernels.h"

#include <cmath>
#include <cstdint>

#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/kernels/simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/sums/chunk_kernels.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The rows that are added between the load and the store of a column's sums:
// enough to hide both behind the reads of the rows.
constexpr int kRowsAtOnce = 4;

using D = hn::CappedTag<double, 8>;
using OneLane = hn::CappedTag<double, 1>;

template <class DD>
using VectorOf = hn::VFromD<DD>;

// The doubles of a vector of columns, in registers.
template <class DD, bool kAbsolute, bool kIsWeighted>
class Sum {
 public:
  HWY_INLINE Sum(DD d, const double* sums, int64_t /*stride*/)
      : sum_(hn::LoadU(d, sums)) {}
  HWY_INLINE void Add(DD d, VectorOf<DD> x, float weight) {
    if constexpr (kAbsolute) x = hn::Abs(x);
    if constexpr (kIsWeighted) {
      x = hn::Mul(hn::Set(d, static_cast<double>(weight)), x);
    }
    sum_ = hn::Add(sum_, x);
  }
  HWY_INLINE void Store(DD d, double* sums, int64_t /*stride*/) const {
    hn::StoreU(sum_, d, sums);
  }

 private:
  VectorOf<DD> sum_;
};

// Sum and error of x and of x^2.
template <class DD>
class MomentSums {
 public:
  HWY_INLINE MomentSums(DD d, const double* sums, int64_t stride)
      : sum_(hn::LoadU(d, sums)),
        error_(hn::LoadU(d, sums + stride)),
        square_sum_(hn::LoadU(d, sums + 2 * stride)),
        square_error_(hn::LoadU(d, sums + 3 * stride)) {}
  HWY_INLINE void Add(DD /*d*/, VectorOf<DD> x, float /*weight*/) {
    AddTo(x, sum_, error_);
    AddTo(hn::Mul(x, x), square_sum_, square_error_);
  }
  HWY_INLINE void Store(DD d, double* sums, int64_t stride) const {
    hn::StoreU(sum_, d, sums);
    hn::StoreU(error_, d, sums + stride);
    hn::StoreU(square_sum_, d, sums + 2 * stride);
    hn::StoreU(square_error_, d, sums + 3 * stride);
  }

 private:
  static HWY_INLINE void AddTo(VectorOf<DD> x, VectorOf<DD>& sum,
                               VectorOf<DD>& error) {
    const VectorOf<DD> total = hn::Add(sum, x);
    const VectorOf<DD> x_part = hn::Sub(total, sum);
    const VectorOf<DD> sum_part = hn::Sub(total, x_part);
    error = hn::Add(error, hn::Add(hn::Sub(sum, sum_part), hn::Sub(x, x_part)));
    sum = total;
  }

  VectorOf<DD> sum_;
  VectorOf<DD> error_;
  VectorOf<DD> square_sum_;
  VectorOf<DD> square_error_;
};

// Adds kRows rows from `row` on, columns [begin, end), as many at a time as d
// has lanes. Returns the column where it stopped.
template <int kRows, class Sums, bool kIsWeighted, class DD>
HWY_INLINE int64_t AddColumns(DD d, const ChunkRows& chunk, int64_t row,
                              int64_t begin, int64_t end, double* sums,
                              int64_t stride) {
  const hn::Rebind<float, DD> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* rows[kRows];
  float weights[kRows];
  MOE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    rows[r] = chunk.rows[row + r];
    weights[r] = kIsWeighted ? chunk.weights[row + r] : 1.0f;
  }
  int64_t c = begin;
  for (; c + lanes <= end; c += lanes) {
    Sums column(d, sums + c, stride);
    MOE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      column.Add(d, hn::PromoteTo(d, hn::LoadU(df, rows[r] + c)), weights[r]);
    }
    column.Store(d, sums + c, stride);
  }
  return c;
}

template <int kRows, template <class> class Sums, bool kIsWeighted>
HWY_INLINE void AddSomeRows(const ChunkRows& chunk, int64_t row, double* sums,
                            int64_t stride) {
  const int64_t done = AddColumns<kRows, Sums<D>, kIsWeighted>(
      D(), chunk, row, 0, chunk.num_cols, sums, stride);
  AddColumns<kRows, Sums<OneLane>, kIsWeighted>(OneLane(), chunk, row, done,
                                                chunk.num_cols, sums, stride);
}

template <template <class> class Sums, bool kIsWeighted>
HWY_INLINE void AddRows(const ChunkRows& chunk, double* sums, int64_t stride) {
  int64_t row = 0;
  for (; row + kRowsAtOnce <= chunk.num_rows; row += kRowsAtOnce) {
    AddSomeRows<kRowsAtOnce, Sums, kIsWeighted>(chunk, row, sums, stride);
  }
  // Groups often have few rows.
  if (row + 2 <= chunk.num_rows) {
    AddSomeRows<2, Sums, kIsWeighted>(chunk, row, sums, stride);
    row += 2;
  }
  if (row < chunk.num_rows) {
    AddSomeRows<1, Sums, kIsWeighted>(chunk, row, sums, stride);
  }
}

template <class DD>
using ValueSum = Sum<DD, false, false>;
template <class DD>
using AbsoluteSum = Sum<DD, true, false>;
template <class DD>
using WeightedSum = Sum<DD, false, true>;
template <class DD>
using WeightedAbsoluteSum = Sum<DD, true, true>;

void AddChunkRowsVector(ChunkTerm term, const ChunkRows& chunk, double* sums,
                        int64_t stride) {
  switch (term) {
    case ChunkTerm::kValue:
      return AddRows<ValueSum, false>(chunk, sums, stride);
    case ChunkTerm::kAbsolute:
      return AddRows<AbsoluteSum, false>(chunk, sums, stride);
    case ChunkTerm::kWeighted:
      return AddRows<WeightedSum, true>(chunk, sums, stride);
    case ChunkTerm::kWeightedAbsolute:
      return AddRows<WeightedAbsoluteSum, true>(chunk, sums, stride);
    case ChunkTerm::kMoments:
      return AddRows<MomentSums, false>(chunk, sums, stride);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace {

HWY_EXPORT(AddChunkRowsVector);

void AddTwoSum(double x, double& sum, double& error) {
  const double total = sum + x;
  const double x_part = total - sum;
  const double sum_part = total - x_part;
  error += (sum - sum_part) + (x - x_part);
  sum = total;
}

// The same without vectors, for MOE_SIMD_TARGET=scalar.
void AddChunkRowsScalar(ChunkTerm term, const ChunkRows& chunk, double* sums,
                        int64_t stride) {
  const bool is_absolute =
      term == ChunkTerm::kAbsolute || term == ChunkTerm::kWeightedAbsolute;
  const bool is_weighted =
      term == ChunkTerm::kWeighted || term == ChunkTerm::kWeightedAbsolute;
  for (int64_t r = 0; r < chunk.num_rows; ++r) {
    const double weight = is_weighted ? chunk.weights[r] : 1.0;
    for (int64_t c = 0; c < chunk.num_cols; ++c) {
      const double x = chunk.rows[r][c];
      if (term == ChunkTerm::kMoments) {
        AddTwoSum(x, sums[c], sums[stride + c]);
        AddTwoSum(x * x, sums[2 * stride + c], sums[3 * stride + c]);
      } else {
        sums[c] += weight * (is_absolute ? std::fabs(x) : x);
      }
    }
  }
}

}  // namespace

void AddChunkRows(ChunkTerm term, const ChunkRows& chunk, double* sums,
                  int64_t sums_stride) {
  if (ActiveSimdTarget() == SimdTarget::kScalar) {
    AddChunkRowsScalar(term, chunk, sums, sums_stride);
  } else {
    HWY_DYNAMIC_DISPATCH(AddChunkRowsVector)(term, chunk, sums, sums_stride);
  }
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
