#include "moe/reconstruct/column_norms.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/reconstruct/energy_sums.h"

namespace moe::reconstruct {
namespace {

// The rows that are read together.
constexpr int64_t kWeightRowsAtOnce = 256;

}  // namespace

absl::Status ColumnNorms(const checkpoint::Checkpoint& checkpoint,
                         const checkpoint::TensorName& name,
                         absl::Span<double> norms, base::ThreadPool& pool) {
  std::fill(norms.begin(), norms.end(), 0.0);
  const int64_t num_rows =
      model::LocateWeight(checkpoint, name).tensor->spec.shape.front();
  for (int64_t begin = 0; begin < num_rows; begin += kWeightRowsAtOnce) {
    const int64_t end = std::min(begin + kWeightRowsAtOnce, num_rows);
    MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor rows,
                         model::ReadWeightRows(checkpoint, name, begin, end));
    const std::vector<float> values = model::ToFloats(rows);
    AddSquaredColumnNorms(
        base::MatrixView<const float>(values.data(), end - begin,
                                      static_cast<int64_t>(norms.size())),
        norms, pool);
  }
  return absl::OkStatus();
}

// Each row in memory and as it is stored, at most 4 bytes a number.
int64_t ColumnNormsBytes(int64_t num_rows, int64_t num_columns) {
  return num_columns * (std::min(kWeightRowsAtOnce, num_rows) * 2 *
                            static_cast<int64_t>(sizeof(float)) +
                        static_cast<int64_t>(sizeof(double)));
}

}  // namespace moe::reconstruct
