// Pieces of tensors turned into bytes, in little memory.
//
// Takes the place of reading a shard, permuting it and writing it: while a
// buffer is written, by a thread of its own, the next one is filled by the
// threads of the pool. In memory are a few buffers, and of a matrix whose
// columns are gathered the result for some experts, up to 64 MiB of it: a file
// that is written front to back has one expert's columns of all rows before
// another's. An expert's alone, where they are more, are written row by row.

#ifndef MOE_CONVERT_PIECE_STREAM_H_
#define MOE_CONVERT_PIECE_STREAM_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/convert/tensor_piece.h"

namespace moe {

struct ConversionResources {
  ThreadPool& pool;
  Progress& progress;
};

// Of ScaledPieces and ScaledRowsPieces.
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

}  // namespace moe

#endif  // MOE_CONVERT_PIECE_STREAM_H_
