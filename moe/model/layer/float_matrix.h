// A row-major matrix of floats that owns them: the activations of a layer.
//
// Its values are not initialised, and it does no arithmetic.

#ifndef MOE_MODEL_LAYER_FLOAT_MATRIX_H_
#define MOE_MODEL_LAYER_FLOAT_MATRIX_H_

#include <cstdint>

#include "moe/kernels/simd/aligned_buffer.h"
#include "moe/kernels/simd/matrix_view.h"

namespace moe {

class FloatMatrix {
 public:
  FloatMatrix() = default;
  FloatMatrix(int64_t rows, int64_t cols)
      : rows_(rows), cols_(cols), values_(rows * cols) {}

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  MatrixView<float> view() {
    return MatrixView<float>(values_.data(), rows_, cols_);
  }
  MatrixView<const float> view() const {
    return MatrixView<const float>(values_.data(), rows_, cols_);
  }

 private:
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  AlignedBuffer values_;
};

}  // namespace moe

#endif  // MOE_MODEL_LAYER_FLOAT_MATRIX_H_
