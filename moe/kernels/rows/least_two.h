// Of each token the cheapest cluster, and how much the next one costs more:
// what an assignment to clusters with prices starts from.
//
// All arithmetic is exact, but for the margin where there is one cluster only,
// so that the result is a function of the numbers
// alone, the same on every SIMD target and with any number of threads.

#ifndef MOE_KERNELS_ROWS_LEAST_TWO_H_
#define MOE_KERNELS_ROWS_LEAST_TWO_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe {

// The largest |x|; if one is NaN or infinite, NaN or infinity.
float LargestMagnitude(MatrixView<const float> x, ThreadPool& pool);

// The margin of a row of one number.
inline constexpr double kInfiniteMargin = 0x1p62;

struct PricedCosts {
  MatrixView<const float> costs;    // [num_tokens, num_clusters]
  double scale = 1.0;               // A power of two.
  absl::Span<const double> prices;  // [num_clusters]: integers.

  // The number that counts, an integer: round(cost * scale), ties to even,
  // + price. Neither may be above 2^51 in magnitude.
  static double At(float cost, double scale, double price) {
    // Above it, doubles are integers.
    constexpr double kRound = 0x1.8p52;
    return ((static_cast<double>(cost) * scale + kRound) - kRound) + price;
  }
};

// least[t] = the e whose number is least for token t, of equal ones the lowest;
// margins[t] = the least of the others less it, for one cluster
// kInfiniteMargin less it.
void LeastTwo(const PricedCosts& costs, absl::Span<int32_t> least,
              absl::Span<double> margins, ThreadPool& pool);

}  // namespace moe

#endif  // MOE_KERNELS_ROWS_LEAST_TWO_H_
