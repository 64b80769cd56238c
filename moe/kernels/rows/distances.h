// Distances from tokens to cluster centres.
//
// Inner products come from the matrix product (moe/kernels/gemm). Squared norms
// are summed in double over 16 virtual lanes. Both are combined in double, and
// the result is rounded to float once. So a distance depends on its two vectors
// alone and is the same on every SIMD target and with any number of threads.
// Its error is that of the float inner product: about 4e-9 of sum |t_i c_i|,
// not of the distance.

#ifndef MOE_KERNELS_ROWS_DISTANCES_H_
#define MOE_KERNELS_ROWS_DISTANCES_H_

#include <vector>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe::kernels {

struct NormsAndDots;  // Defined in distances.cc.

// out[t] = sum_i x_i^2 of row t, in double. `out` has x.rows elements.
void SquaredNorms(base::MatrixView<const float> x, absl::Span<double> out,
                  base::ThreadPool& pool);

// Centres that are packed once for the distances of many tokens.
class PackedCentres {
 public:
  // `centres` is [num_centres, size].
  static PackedCentres Pack(base::MatrixView<const float> centres,
                            base::ThreadPool& pool);

  // out[t, e] = max(0, (|tokens_t|^2 + |centres_e|^2) - 2 tokens_t . centres_e)
  // for tokens [num_tokens, size] with `token_norms`, those of SquaredNorms.
  void SquaredL2Distances(base::MatrixView<const float> tokens,
                          absl::Span<const double> token_norms,
                          base::MatrixView<float> out,
                          base::ThreadPool& pool) const;

  // out[t, e] = 1 - (tokens_t . centres_e) / (|tokens_t| |centres_e|), and 1 if
  // a vector is zero.
  void CosineDistances(base::MatrixView<const float> tokens,
                       absl::Span<const double> token_norms,
                       base::MatrixView<float> out,
                       base::ThreadPool& pool) const;

 private:
  // Computes the products and calls `combine` for every row of them.
  void Combine(base::MatrixView<const float> tokens,
               absl::Span<const double> token_norms,
               base::MatrixView<float> out, base::ThreadPool& pool,
               void (*combine)(const NormsAndDots&)) const;

  PackedMatrix packed_;
  std::vector<double> norms_;  // [num_centres]
};

// The same, for centres that are used once.
void SquaredL2Distances(base::MatrixView<const float> tokens,
                        base::MatrixView<const float> centres,
                        base::MatrixView<float> out, base::ThreadPool& pool);
void CosineDistances(base::MatrixView<const float> tokens,
                     base::MatrixView<const float> centres,
                     base::MatrixView<float> out, base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_DISTANCES_H_
