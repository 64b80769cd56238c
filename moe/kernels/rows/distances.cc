#include "moe/kernels/rows/distances.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/rows/scalar_row.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/distances.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/rows/row_ops-inl.h"

#ifndef MOE_KERNELS_ROWS_DISTANCES_ROW_
#define MOE_KERNELS_ROWS_DISTANCES_ROW_
namespace moe::kernels {

// A token and all centres. The distances replace the products in `dots`.
struct NormsAndDots {
  double token_norm;
  const double* centre_norms;
  int64_t num_centres;
  float* dots;
};

}  // namespace moe::kernels
#endif  // MOE_KERNELS_ROWS_DISTANCES_ROW_

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

double SquaredNormOfRow(int64_t n, const float* x) {
  return SumProducts(n, x, x);
}

// Handles as many centres at a time as d has lanes, from `begin` on. Returns
// the centre where it stopped.
template <class D>
HWY_INLINE int64_t DotsFromCentre(D d, const NormsAndDots& row, int64_t begin) {
  const hn::Rebind<float, D> df;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto token_norm = hn::Set(d, row.token_norm);
  const auto zero = hn::Zero(d);
  int64_t e = begin;
  for (; e + lanes <= row.num_centres; e += lanes) {
    const auto dot = hn::PromoteTo(d, hn::LoadU(df, row.dots + e));
    const auto norms = hn::Add(token_norm, hn::LoadU(d, row.centre_norms + e));
    const auto distance = hn::Sub(norms, hn::Add(dot, dot));
    hn::StoreU(hn::DemoteTo(
                   df, hn::IfThenElse(hn::Lt(distance, zero), zero, distance)),
               df, row.dots + e);
  }
  return e;
}

void DotsToSquaredL2(const NormsAndDots& row) {
  const int64_t done = DotsFromCentre(hn::CappedTag<double, 8>(), row, 0);
  DotsFromCentre(hn::CappedTag<double, 1>(), row, done);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

double SquaredNormOfRow(int64_t n, const float* x) {
  return SumProducts(n, x, x);
}

void DotsToSquaredL2(const NormsAndDots& row) {
  for (int64_t e = 0; e < row.num_centres; ++e) {
    const double distance =
        (row.token_norm + row.centre_norms[e]) - 2.0 * row.dots[e];
    row.dots[e] = static_cast<float>(distance < 0.0 ? 0.0 : distance);
  }
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(SquaredNormOfRow);
HWY_EXPORT(DotsToSquaredL2);

// The cosine distance; 1 if a vector is zero.
void DotsToCosine(const NormsAndDots& row) {
  for (int64_t e = 0; e < row.num_centres; ++e) {
    const double centre_norm = row.centre_norms[e];
    row.dots[e] = row.token_norm == 0.0 || centre_norm == 0.0
                      ? 1.0f
                      : static_cast<float>(
                            1.0 - row.dots[e] / (std::sqrt(row.token_norm) *
                                                 std::sqrt(centre_norm)));
  }
}

std::vector<double> NormsOf(base::MatrixView<const float> x,
                            base::ThreadPool& pool) {
  std::vector<double> norms(static_cast<size_t>(x.rows));
  SquaredNorms(x, absl::MakeSpan(norms), pool);
  return norms;
}

}  // namespace

void SquaredNorms(base::MatrixView<const float> x, absl::Span<double> out,
                  base::ThreadPool& pool) {
  MOE_CHECK(x.rows == static_cast<int64_t>(out.size()));
  const auto squared_norm = MOE_CHOOSE_KERNEL(SquaredNormOfRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      out[static_cast<size_t>(t)] = squared_norm(x.cols, x.RowData(t));
    }
  });
}

PackedCentres PackedCentres::Pack(base::MatrixView<const float> centres,
                                  base::ThreadPool& pool) {
  PackedCentres packed;
  packed.packed_ = PackedMatrix::Pack(centres, pool);
  packed.norms_ = NormsOf(centres, pool);
  return packed;
}

void PackedCentres::Combine(base::MatrixView<const float> tokens,
                            absl::Span<const double> token_norms,
                            base::MatrixView<float> out, base::ThreadPool& pool,
                            void (*combine)(const NormsAndDots&)) const {
  MOE_CHECK(tokens.rows == out.rows &&
            tokens.rows == static_cast<int64_t>(token_norms.size()));
  Gemm(tokens, packed_, out, pool);
  ParallelRows(out.rows, out.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      combine({token_norms[static_cast<size_t>(t)], norms_.data(), out.cols,
               out.RowData(t)});
    }
  });
}

void PackedCentres::SquaredL2Distances(base::MatrixView<const float> tokens,
                                       absl::Span<const double> token_norms,
                                       base::MatrixView<float> out,
                                       base::ThreadPool& pool) const {
  Combine(tokens, token_norms, out, pool, MOE_CHOOSE_KERNEL(DotsToSquaredL2));
}

void PackedCentres::CosineDistances(base::MatrixView<const float> tokens,
                                    absl::Span<const double> token_norms,
                                    base::MatrixView<float> out,
                                    base::ThreadPool& pool) const {
  Combine(tokens, token_norms, out, pool, &DotsToCosine);
}

void SquaredL2Distances(base::MatrixView<const float> tokens,
                        base::MatrixView<const float> centres,
                        base::MatrixView<float> out, base::ThreadPool& pool) {
  PackedCentres::Pack(centres, pool)
      .SquaredL2Distances(tokens, NormsOf(tokens, pool), out, pool);
}

void CosineDistances(base::MatrixView<const float> tokens,
                     base::MatrixView<const float> centres,
                     base::MatrixView<float> out, base::ThreadPool& pool) {
  PackedCentres::Pack(centres, pool)
      .CosineDistances(tokens, NormsOf(tokens, pool), out, pool);
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
