#include "moe/kernels/rows/top_k.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/parallel_rows.h"

namespace moe::kernels {
namespace {

// Indices come in ascending order, so that an equal element goes behind those
// that are there.
void TopKOfRow(const float* x, int64_t n, absl::Span<int32_t> best) {
  size_t size = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (size == best.size() && !(x[i] > x[best[size - 1]])) continue;
    size = std::min(size + 1, best.size());
    size_t place = size - 1;
    for (; place > 0 && x[i] > x[best[place - 1]]; --place) {
      best[place] = best[place - 1];
    }
    best[place] = static_cast<int32_t>(i);
  }
}

}  // namespace

void TopK(base::MatrixView<const float> x, base::MatrixView<int32_t> indices,
          base::ThreadPool& pool) {
  MOE_CHECK(x.rows == indices.rows && indices.cols <= x.cols &&
            x.cols <= INT32_MAX);
  if (indices.cols == 0) return;
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      TopKOfRow(x.RowData(t), x.cols, indices.Row(t));
    }
  });
}

}  // namespace moe::kernels
