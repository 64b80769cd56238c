#include "moe/gates/routed_counts.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/model/layer/top_expert.h"
#include "moe/model/walk/hidden_states.h"

namespace moe {

absl::StatusOr<std::vector<int64_t>> RoutedCounts(
    HiddenStates& points, MatrixView<const float> router, ThreadPool& pool) {
  constexpr int64_t kRowsAtOnce = 1024;  // Enough for the products.
  std::vector<int64_t> counts(static_cast<size_t>(router.rows));
  const PackedMatrix packed = PackedMatrix::Pack(router, pool);
  std::vector<int32_t> experts(
      static_cast<size_t>(std::min(kRowsAtOnce, points.num_tokens())));
  Matrix<float> buffer;
  const auto count = [&](int64_t first,
                         MatrixView<const float> rows) -> absl::Status {
    const absl::Span<int32_t> chosen =
        absl::MakeSpan(experts).first(static_cast<size_t>(rows.rows));
    MOE_RETURN_IF_ERROR(TopExperts(rows, packed, first, chosen, pool));
    for (const int32_t e : chosen) ++counts[static_cast<size_t>(e)];
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(points.ForEachBlock(kRowsAtOnce, buffer, count));
  return counts;
}

}  // namespace moe
