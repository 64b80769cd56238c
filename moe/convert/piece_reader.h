// Reads parts of pieces: rows of a RowsPiece, elements of what is taken whole.
// Not for use elsewhere than in piece_stream.

#ifndef MOE_CONVERT_PIECE_READER_H_
#define MOE_CONVERT_PIECE_READER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {

// Fills `out`, whole elements, from byte `offset_bytes` of the tensor's data
// on. What is read is looked at while it is in the cache: read no more at a
// time than fits.
//
// InvalidArgument, with file, tensor and element, for a NaN or infinity; the
// errors of SafetensorsFile::Read. May be called by several threads at once.
absl::Status ReadFinite(const checkpoint::TensorLocation& from,
                        int64_t offset_bytes, absl::Span<char> out);

// What a piece is read in: [0, count) units of so many bytes.
struct PieceUnits {
  int64_t count = 0;
  int64_t bytes = 0;
};
PieceUnits UnitsOf(const CopyPiece& piece);
PieceUnits UnitsOf(const ScaledPiece& piece);
PieceUnits UnitsOf(const ScaledRowsPiece& piece);
PieceUnits UnitsOf(const RowsPiece& piece);

// Fills `out`, whole units, from unit `first` on. Several threads may read the
// same piece. The errors of ReadFinite.
absl::Status ReadUnits(const CopyPiece& piece, int64_t first,
                       absl::Span<char> out);
absl::Status ReadUnits(const RowsPiece& piece, int64_t first,
                       absl::Span<char> out);
// Returns how many products were rounded. InvalidArgument, with file, tensor
// and element, for one that is beyond the type.
absl::StatusOr<int64_t> ReadUnits(const ScaledPiece& piece, int64_t first,
                                  absl::Span<char> out);
absl::StatusOr<int64_t> ReadUnits(const ScaledRowsPiece& piece, int64_t first,
                                  absl::Span<char> out);

}  // namespace moe::convert

#endif  // MOE_CONVERT_PIECE_READER_H_
