// The squared norms of the columns of a weight: |d_n|^2 of energy_sums.h.

#ifndef MOE_RECONSTRUCT_COLUMN_NORMS_H_
#define MOE_RECONSTRUCT_COLUMN_NORMS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/tensor_name.h"

namespace moe::reconstruct {

// norms[c] becomes the sum of x_rc^2 over ascending r for the matrix `name`
// [rows, norms.size()], upcast exactly, in double. The errors of
// ReadWeightRows.
absl::Status ColumnNorms(const checkpoint::Checkpoint& checkpoint,
                         const checkpoint::TensorName& name,
                         absl::Span<double> norms, base::ThreadPool& pool);

// The memory of a call and of the norms.
int64_t ColumnNormsBytes(int64_t num_rows, int64_t num_columns);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_COLUMN_NORMS_H_
