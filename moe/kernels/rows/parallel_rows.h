// Rows shared among threads.

#ifndef MOE_KERNELS_ROWS_PARALLEL_ROWS_H_
#define MOE_KERNELS_ROWS_PARALLEL_ROWS_H_

#include <algorithm>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// Calls body(begin, end) for pieces of [0, rows), on any threads. A piece has
// about 2^14 elements: some microseconds of work, so that handing it out costs
// little beside it.
inline void ParallelRows(int64_t rows, int64_t cols, base::ThreadPool& pool,
                         absl::FunctionRef<void(int64_t, int64_t)> body) {
  constexpr int64_t kElementsPerPiece = 1 << 14;
  const int64_t grain =
      std::max<int64_t>(1, kElementsPerPiece / std::max<int64_t>(1, cols));
  pool.ParallelFor(0, rows, grain, body);
}

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_PARALLEL_ROWS_H_
