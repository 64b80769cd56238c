#include "moe/model/layer/linear.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/rows/parallel_rows.h"

namespace moe::model {

int64_t Linear::size_bytes() const {
  return forward.size_bytes() + backward.size_bytes() +
         static_cast<int64_t>(bias.size() * sizeof(float));
}

int64_t PackedLinearBytes(int64_t out, int64_t in, LayerPasses passes) {
  const auto packed = [](int64_t num_outputs, int64_t depth) {
    constexpr int64_t kPanel = kernels::PackedMatrix::kPanelCols;
    return (num_outputs + kPanel - 1) / kPanel * kPanel * depth *
           static_cast<int64_t>(sizeof(float));
  };
  return (passes == LayerPasses::kBackward ? 0 : packed(out, in)) +
         (passes == LayerPasses::kForward ? 0 : packed(in, out));
}

Linear PackLinear(const kernels::WeightView& weight, std::vector<float> bias,
                  LayerPasses passes, base::ThreadPool& pool) {
  MOE_CHECK(bias.empty() || static_cast<int64_t>(bias.size()) == weight.rows);
  Linear linear;
  if (passes != LayerPasses::kBackward) {
    linear.forward = kernels::PackedMatrix::Pack(weight, pool);
  }
  if (passes != LayerPasses::kForward) {
    linear.backward = kernels::PackedMatrix::PackTransposed(weight, pool);
  }
  linear.bias = std::move(bias);
  return linear;
}

void ApplyLinear(const Linear& linear, base::MatrixView<const float> x,
                 base::MatrixView<float> y, base::ThreadPool& pool) {
  kernels::Gemm(x, linear.forward, y, pool);
  if (linear.bias.empty()) return;
  const float* const bias = linear.bias.data();
  kernels::ParallelRows(y.rows, y.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* const row = y.RowData(t);
      for (int64_t i = 0; i < y.cols; ++i) row[i] += bias[i];
    }
  });
}

void ApplyLinearBackward(const Linear& linear, base::MatrixView<const float> dy,
                         base::MatrixView<float> dx, base::ThreadPool& pool) {
  kernels::Gemm(dy, linear.backward, dx, pool);
}

void AddLinearBackward(const Linear& linear, base::MatrixView<const float> dy,
                       base::MatrixView<float> dx, base::ThreadPool& pool) {
  base::Matrix<float> product(dx.rows, dx.cols);
  ApplyLinearBackward(linear, dy, product.view(), pool);
  kernels::ResidualAdd(dx, product.view(), dx, pool);
}

}  // namespace moe::model
