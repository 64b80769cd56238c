// A row-major matrix that someone else owns.

#ifndef MOE_BASE_MATRIX_VIEW_H_
#define MOE_BASE_MATRIX_VIEW_H_

#include <cstdint>
#include <type_traits>

#include "absl/types/span.h"
#include "moe/base/check.h"

namespace moe::base {

// Element [r, c] is data[r * stride + c]. The stride, in elements, is at least
// the number of columns; elements between the rows are never touched. Copies
// refer to the same elements. Data may be null if the matrix is empty.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  MatrixView() = default;
  MatrixView(T* values, int64_t num_rows, int64_t num_cols)
      : MatrixView(values, num_rows, num_cols, num_cols) {}
  MatrixView(T* values, int64_t num_rows, int64_t num_cols, int64_t row_stride)
      : data(values), rows(num_rows), cols(num_cols), stride(row_stride) {
    MOE_CHECK(rows >= 0 && cols >= 0 && stride >= cols);
  }
  // A view that may write serves as one that may not.
  template <typename U, typename = std::enable_if_t<std::is_same_v<const U, T>>>
  MatrixView(const MatrixView<U>& other)  // NOLINT: converts on purpose.
      : MatrixView(other.data, other.rows, other.cols, other.stride) {}

  T* RowData(int64_t row) const { return data + row * stride; }
  absl::Span<T> Row(int64_t row) const {
    MOE_CHECK(row >= 0 && row < rows);
    return absl::Span<T>(RowData(row), static_cast<size_t>(cols));
  }
  // Rows [begin, end).
  MatrixView Rows(int64_t begin, int64_t end) const {
    MOE_CHECK(0 <= begin && begin <= end && end <= rows);
    return MatrixView(data + begin * stride, end - begin, cols, stride);
  }
};

template <typename T, typename U>
bool SameShape(const MatrixView<T>& a, const MatrixView<U>& b) {
  return a.rows == b.rows && a.cols == b.cols;
}

}  // namespace moe::base

#endif  // MOE_BASE_MATRIX_VIEW_H_
