#include "moe/kernels/rows/distances.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/rows/scalar_row.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/simd/matrix_view.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/distances.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/rows/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe {
namespace HWY_NAMESPACE {

double SquaredNormOfRow(int64_t n, const float* x) {
  return SumProducts(n, x, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe {
namespace scalar {
namespace {

double SquaredNormOfRow(int64_t n, const float* x) {
  return SumProducts(n, x, x);
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(SquaredNormOfRow);

std::vector<double> NormsOf(MatrixView<const float> x, ThreadPool& pool) {
  std::vector<double> norms(static_cast<size_t>(x.rows));
  SquaredNorms(x, absl::MakeSpan(norms), pool);
  return norms;
}

}  // namespace

void SquaredNorms(MatrixView<const float> x, absl::Span<double> out,
                  ThreadPool& pool) {
  MOE_CHECK(x.rows == static_cast<int64_t>(out.size()));
  const auto squared_norm = MOE_CHOOSE_KERNEL(SquaredNormOfRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      out[static_cast<size_t>(t)] = squared_norm(x.cols, x.RowData(t));
    }
  });
}

PackedCentres PackedCentres::Pack(MatrixView<const float> centres,
                                  ThreadPool& pool) {
  PackedCentres packed;
  packed.packed_ = PackedMatrix::Pack(centres, pool);
  packed.norms_ = NormsOf(centres, pool);
  return packed;
}

// out[t, e] = distance(|tokens_t|^2, |centres_e|^2, tokens_t . centres_e).
template <typename Distance>
void PackedCentres::Combine(MatrixView<const float> tokens,
                            absl::Span<const double> token_norms,
                            MatrixView<float> out, ThreadPool& pool,
                            const Distance& distance) const {
  MOE_CHECK(tokens.rows == out.rows &&
            tokens.rows == static_cast<int64_t>(token_norms.size()));
  Gemm(tokens, packed_, out, pool);
  ParallelRows(out.rows, out.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const double token_norm = token_norms[static_cast<size_t>(t)];
      float* const row = out.RowData(t);
      for (size_t e = 0; e < norms_.size(); ++e) {
        row[e] = static_cast<float>(distance(token_norm, norms_[e], row[e]));
      }
    }
  });
}

void PackedCentres::SquaredL2Distances(MatrixView<const float> tokens,
                                       absl::Span<const double> token_norms,
                                       MatrixView<float> out,
                                       ThreadPool& pool) const {
  Combine(tokens, token_norms, out, pool,
          [](double token_norm, double centre_norm, double dot) {
            const double distance = (token_norm + centre_norm) - 2.0 * dot;
            return distance < 0.0 ? 0.0 : distance;
          });
}

void PackedCentres::CosineDistances(MatrixView<const float> tokens,
                                    absl::Span<const double> token_norms,
                                    MatrixView<float> out,
                                    ThreadPool& pool) const {
  Combine(tokens, token_norms, out, pool,
          [](double token_norm, double centre_norm, double dot) {
            if (token_norm == 0.0 || centre_norm == 0.0) return 1.0;
            return 1.0 - dot / (std::sqrt(token_norm) * std::sqrt(centre_norm));
          });
}

void SquaredL2Distances(MatrixView<const float> tokens,
                        MatrixView<const float> centres, MatrixView<float> out,
                        ThreadPool& pool) {
  PackedCentres::Pack(centres, pool)
      .SquaredL2Distances(tokens, NormsOf(tokens, pool), out, pool);
}

void CosineDistances(MatrixView<const float> tokens,
                     MatrixView<const float> centres, MatrixView<float> out,
                     ThreadPool& pool) {
  PackedCentres::Pack(centres, pool)
      .CosineDistances(tokens, NormsOf(tokens, pool), out, pool);
}

}  // namespace moe
#endif  // HWY_ONCE
