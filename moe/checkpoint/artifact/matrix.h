// A row-major matrix that owns its values.
//
// For the small tables of artifact files. It does no arithmetic.

#ifndef MOE_CHECKPOINT_ARTIFACT_MATRIX_H_
#define MOE_CHECKPOINT_ARTIFACT_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"

namespace moe {

template <typename T>
struct Matrix {
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<T> values;  // rows * cols

  Matrix() = default;
  // Value-initialised.
  Matrix(int64_t num_rows, int64_t num_cols)
      : rows(num_rows),
        cols(num_cols),
        values(static_cast<size_t>(num_rows * num_cols)) {}
  Matrix(int64_t num_rows, int64_t num_cols, std::vector<T> row_major)
      : rows(num_rows), cols(num_cols), values(std::move(row_major)) {
    MOE_CHECK(static_cast<int64_t>(values.size()) == rows * cols);
  }

  absl::Span<const T> Row(int64_t row) const {
    MOE_CHECK(row >= 0 && row < rows);
    return absl::MakeConstSpan(values).subspan(static_cast<size_t>(row * cols),
                                               static_cast<size_t>(cols));
  }
  absl::Span<T> MutableRow(int64_t row) {
    MOE_CHECK(row >= 0 && row < rows);
    return absl::MakeSpan(values).subspan(static_cast<size_t>(row * cols),
                                          static_cast<size_t>(cols));
  }

  friend bool operator==(const Matrix&, const Matrix&) = default;
};

}  // namespace moe

#endif  // MOE_CHECKPOINT_ARTIFACT_MATRIX_H_
