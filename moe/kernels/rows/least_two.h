// The cheapest cluster of each token, and how much more the next one costs: the
// start of an assignment to clusters with prices.
//
// All arithmetic is exact, except for the margin if there is only one cluster.
// So the result depends on the numbers alone and is the same on every SIMD
// target and with any number of threads.

#ifndef MOE_KERNELS_ROWS_LEAST_TWO_H_
#define MOE_KERNELS_ROWS_LEAST_TWO_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// The largest |x|; NaN or infinity if an element is NaN or infinite.
float LargestMagnitude(base::MatrixView<const float> x, base::ThreadPool& pool);

// The margin of a row of one number.
inline constexpr double kInfiniteMargin = 0x1p62;

struct PricedCosts {
  base::MatrixView<const float> costs;  // [num_tokens, num_clusters]
  double scale = 1.0;                   // A power of two.
  absl::Span<const double> prices;      // [num_clusters]: integers.

  // The priced cost, an integer: round(cost * scale), ties to even, + price.
  // Neither term may be above 2^51 in magnitude.
  static double At(float cost, double scale, double price) {
    // Doubles above this are integers.
    constexpr double kRound = 0x1.8p52;
    return ((static_cast<double>(cost) * scale + kRound) - kRound) + price;
  }
};

// least[t] is the cluster with the least priced cost for token t; of equal
// ones, the lowest. margins[t] is the least priced cost of the other clusters
// less that one; with one cluster, kInfiniteMargin less that one.
void LeastTwo(const PricedCosts& costs, absl::Span<int32_t> least,
              absl::Span<double> margins, base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_LEAST_TWO_H_
