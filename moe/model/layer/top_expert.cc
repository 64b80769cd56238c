#include "moe/model/layer/top_expert.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe::model {

absl::Status TopExperts(base::MatrixView<const float> x,
                        const kernels::PackedMatrix& router,
                        int64_t first_token, absl::Span<int32_t> experts,
                        base::ThreadPool& pool) {
  MOE_CHECK(x.rows == static_cast<int64_t>(experts.size()));
  base::Matrix<float> scores(x.rows, router.num_outputs());
  kernels::Gemm(x, router, scores.view(), pool);
  for (int64_t t = 0; t < x.rows; ++t) {
    const absl::Span<const float> row = scores.view().Row(t);
    for (size_t e = 0; e < row.size(); ++e) {
      if (std::isfinite(row[e])) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("token ", first_token + t,
                       ": product with the router weights of expert ", e,
                       ": expected a finite number, found ", row[e]));
    }
    experts[static_cast<size_t>(t)] = static_cast<int32_t>(
        std::max_element(row.begin(), row.end()) - row.begin());
  }
  return absl::OkStatus();
}

}  // namespace moe::model
