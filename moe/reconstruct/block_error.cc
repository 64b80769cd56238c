#include "moe/reconstruct/block_error.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/distances.h"

namespace moe::reconstruct {
namespace {

// Adds weights[t] |x_t|^2 to `sum`, over ascending t.
void AddWeightedSquares(base::MatrixView<const float> x,
                        absl::Span<const float> weights, base::ThreadPool& pool,
                        double& sum) {
  std::vector<double> norms(static_cast<size_t>(x.rows));
  kernels::SquaredNorms(x, absl::MakeSpan(norms), pool);
  for (size_t t = 0; t < norms.size(); ++t) sum += weights[t] * norms[t];
}

}  // namespace

void BlockError::Add(base::MatrixView<const float> error,
                     base::MatrixView<const float> wanted,
                     absl::Span<const float> weights, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(error, wanted) &&
            static_cast<int64_t>(weights.size()) == error.rows);
  AddWeightedSquares(error, weights, pool, error_);
  AddWeightedSquares(wanted, weights, pool, wanted_);
}

double BlockError::relative() const {
  return wanted_ > 0.0 ? std::sqrt(error_ / wanted_) : 0.0;
}

}  // namespace moe::reconstruct
