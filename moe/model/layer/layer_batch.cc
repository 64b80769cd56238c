#include "moe/model/layer/layer_batch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/model/layer/activation_error.h"

namespace moe::model {

absl::Status CheckActivation(const LayerBatch& batch, absl::string_view what,
                             base::MatrixView<const float> x, int64_t first_row,
                             base::ThreadPool& pool) {
  const std::optional<kernels::MatrixPosition> bad =
      kernels::FindNonFinite(x, pool);
  if (!bad.has_value()) return absl::OkStatus();
  return NonFiniteActivationError({what, batch.offsets, first_row + bad->row,
                                   bad->col, x.cols, batch.first_sequence});
}

absl::Status CheckActivation(const LayerBatch& batch, absl::string_view what,
                             base::MatrixView<const float> x,
                             absl::Span<const int64_t> rows,
                             base::ThreadPool& pool) {
  MOE_CHECK(static_cast<int64_t>(rows.size()) == x.rows);
  const std::optional<kernels::MatrixPosition> bad =
      kernels::FindNonFinite(x, pool);
  if (!bad.has_value()) return absl::OkStatus();
  return NonFiniteActivationError({what, batch.offsets,
                                   rows[static_cast<size_t>(bad->row)],
                                   bad->col, x.cols, batch.first_sequence});
}

void ClearRows(base::MatrixView<float> x, base::ThreadPool& pool) {
  kernels::ParallelRows(x.rows, x.cols, pool, [x](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::fill_n(x.RowData(t), x.cols, 0.0f);
    }
  });
}

}  // namespace moe::model
