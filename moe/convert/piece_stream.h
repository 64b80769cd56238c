// Turns pieces of tensors into bytes, in little memory.
//
// While one buffer is written, by a thread of its own, the threads of the pool
// fill the next one. Memory holds a few buffers and up to 64 MiB of gathered
// columns: a file that is written front to back has one expert's columns of all
// rows before another's. If one expert's columns are larger, they are written
// row by row.

#ifndef MOE_CONVERT_PIECE_STREAM_H_
#define MOE_CONVERT_PIECE_STREAM_H_

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/sharded_tensors.h"

namespace moe::convert {

// The whole of a tensor, as it is.
struct CopyPiece {
  checkpoint::TensorLocation from;
};

// Rows of a matrix [rows, cols], or elements of a vector: those of the first
// list in its order, then those of the second, and so on. Who makes the piece
// keeps the lists, and has checked their numbers.
struct RowsPiece {
  checkpoint::TensorLocation from;
  std::vector<absl::Span<const int64_t>> lists;
};

// Columns of a matrix [rows, cols]: for each list the matrix [rows, list size]
// of the columns in its order. The lists as for RowsPiece.
struct ColumnsPiece {
  checkpoint::TensorLocation from;
  std::vector<absl::Span<const int64_t>> lists;
};

// The whole of a tensor times a number: the product with the nearest float32 to
// it, in float32, rounded to the tensor's type to nearest even. Exact for a
// power of two, but for values that leave the range of the type's normal
// numbers.
struct ScaledPiece {
  checkpoint::TensorLocation from;
  double factor = 1.0;
};

// The whole of a matrix [rows, cols], row i of it times factors[i]: the
// products as of ScaledPiece. Who makes the piece keeps the factors.
struct ScaledRowsPiece {
  checkpoint::TensorLocation from;
  absl::Span<const float> factors;  // [rows]
};

// Bytes that are in no tensor of the input, made when their turn comes.
struct GeneratedPiece {
  int64_t num_bytes = 0;
  std::function<absl::StatusOr<std::string>()> generate;
};

using TensorPiece = std::variant<CopyPiece, RowsPiece, ColumnsPiece,
                                 ScaledPiece, ScaledRowsPiece, GeneratedPiece>;

// `bytes`, as they are.
GeneratedPiece PieceOf(std::string bytes);

// What it writes.
int64_t NumBytes(const TensorPiece& piece);

struct ConversionResources {
  base::ThreadPool& pool;
  base::Progress& progress;
};

// Counts the elements of ScaledPieces and ScaledRowsPieces.
struct ScaledCounts {
  int64_t num_scaled = 0;
  // Products that the type does not hold, which were rounded; where the factor
  // is no float32, all but 0.
  int64_t num_rounded = 0;
};

// Hands the bytes of the pieces to `append`, in order, a few MiB at a time.
// What is handed over is a function of the pieces alone; where it is cut may
// differ. Progress: advances by bytes, in a stage that the caller has started.
//
// The errors of reading and of `append`; InvalidArgument, with file, tensor and
// element, for a NaN or infinity in what is read, and for a product
// that is beyond the type.
absl::StatusOr<ScaledCounts> StreamPieces(
    absl::Span<const TensorPiece> pieces,
    const std::function<absl::Status(absl::string_view)>& append,
    const ConversionResources& resources);

}  // namespace moe::convert

#endif  // MOE_CONVERT_PIECE_STREAM_H_
