// A row-major matrix that owns its values: activations, and the tables of
// artifacts.
//
// It does no arithmetic.

#ifndef MOE_BASE_MATRIX_H_
#define MOE_BASE_MATRIX_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/aligned_buffer.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"

namespace moe::base {

// The rows are contiguous, without padding. The first is aligned as in
// AlignedBuffer.
template <typename T>
class Matrix {
 public:
  Matrix() = default;
  // The values are not initialised. Throws OutOfMemory, as the others do.
  Matrix(int64_t rows, int64_t cols)
      : rows_(rows), cols_(cols), values_(rows * cols) {}
  // Copies `row_major`, rows * cols values.
  Matrix(int64_t rows, int64_t cols, absl::Span<const T> row_major)
      : Matrix(rows, cols) {
    MOE_CHECK(row_major.size() == values().size());
    std::copy(row_major.begin(), row_major.end(), values_.data());
  }
  static Matrix Zeros(int64_t rows, int64_t cols) {
    Matrix matrix(rows, cols);
    std::fill(matrix.values().begin(), matrix.values().end(), T{0});
    return matrix;
  }

  Matrix(const Matrix& other)
      : Matrix(other.rows_, other.cols_, other.values()) {}
  Matrix& operator=(const Matrix& other) { return *this = Matrix(other); }
  Matrix(Matrix&&) noexcept = default;
  Matrix& operator=(Matrix&&) noexcept = default;

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }

  MatrixView<T> view() { return {values_.data(), rows_, cols_}; }
  MatrixView<const T> view() const { return {values_.data(), rows_, cols_}; }
  absl::Span<T> Row(int64_t row) { return view().Row(row); }
  absl::Span<const T> Row(int64_t row) const { return view().Row(row); }
  // All values, row by row.
  absl::Span<T> values() {
    return absl::Span<T>(values_.data(), static_cast<size_t>(rows_ * cols_));
  }
  absl::Span<const T> values() const {
    return absl::Span<const T>(values_.data(),
                               static_cast<size_t>(rows_ * cols_));
  }

  friend bool operator==(const Matrix& a, const Matrix& b) {
    return a.rows_ == b.rows_ && a.cols_ == b.cols_ && a.values() == b.values();
  }

 private:
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  AlignedBuffer<T> values_;
};

}  // namespace moe::base

#endif  // MOE_BASE_MATRIX_H_
