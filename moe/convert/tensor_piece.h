// What a converted tensor's bytes are made of: parts of the input's tensors.
//
// A conversion is a list of pieces, which one after another are the data of the
// file that is written; nothing of them is in memory before its turn comes (see
// piece_stream.h). One piece may be the bytes of several tensors that follow
// each other: the first matrices of all experts are the rows of the dense one
// in another order.

#ifndef MOE_CONVERT_TENSOR_PIECE_H_
#define MOE_CONVERT_TENSOR_PIECE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "moe/checkpoint/sharded_tensors.h"

namespace moe {

// The whole of a tensor, as it is.
struct CopyPiece {
  TensorLocation from;
};

// Rows of a matrix [rows, cols], or elements of a vector: those of the first
// list in its order, then those of the second, and so on. Who makes the piece
// keeps the lists, and has checked their numbers.
struct RowsPiece {
  TensorLocation from;
  std::vector<absl::Span<const int64_t>> lists;
};

// Columns of a matrix [rows, cols]: for each list the matrix [rows, list size]
// of the columns in its order. The lists as for RowsPiece.
struct ColumnsPiece {
  TensorLocation from;
  std::vector<absl::Span<const int64_t>> lists;
};

// The whole of a tensor times a number: the product with the nearest float32 to
// it, in float32, rounded to the tensor's type to nearest even. Exact for a
// power of two, but for values that leave the range of the type's normal
// numbers.
struct ScaledPiece {
  TensorLocation from;
  double factor = 1.0;
};

// The whole of a matrix [rows, cols], row i of it times factors[i]: the
// products as of ScaledPiece. Who makes the piece keeps the factors.
struct ScaledRowsPiece {
  TensorLocation from;
  absl::Span<const float> factors;  // [rows]
};

// Bytes that are in no tensor of the input, made when their turn comes.
struct GeneratedPiece {
  int64_t num_bytes = 0;
  std::function<std::string()> generate;
};

using TensorPiece = std::variant<CopyPiece, RowsPiece, ColumnsPiece,
                                 ScaledPiece, ScaledRowsPiece, GeneratedPiece>;

// `bytes`, as they are.
GeneratedPiece PieceOf(std::string bytes);

// What it writes.
int64_t NumBytes(const TensorPiece& piece);

}  // namespace moe

#endif  // MOE_CONVERT_TENSOR_PIECE_H_
