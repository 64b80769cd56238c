#include "moe/convert/tensor_piece.h"

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe {
namespace {

int64_t CountIndices(const std::vector<absl::Span<const int64_t>>& lists) {
  int64_t count = 0;
  for (const auto& list : lists) count += static_cast<int64_t>(list.size());
  return count;
}

// Of a matrix's rows (`axis` 0) or columns (1).
int64_t BytesOfEach(const TensorLocation& from, size_t axis) {
  const Shape& shape = from.tensor->spec.shape;
  MOE_CHECK(axis < shape.size() && shape[axis] > 0);
  return NumBytes(from.tensor->spec) / shape[axis];
}

}  // namespace

GeneratedPiece PieceOf(std::string bytes) {
  const auto num_bytes = static_cast<int64_t>(bytes.size());
  const auto kept = std::make_shared<const std::string>(std::move(bytes));
  return {num_bytes, [kept] { return *kept; }};
}

int64_t NumBytes(const TensorPiece& piece) {
  return std::visit(
      [](const auto& p) -> int64_t {
        using Piece = std::decay_t<decltype(p)>;
        if constexpr (std::is_same_v<Piece, GeneratedPiece>) {
          return p.num_bytes;
        } else if constexpr (std::is_same_v<Piece, RowsPiece>) {
          return CountIndices(p.lists) * BytesOfEach(p.from, 0);
        } else if constexpr (std::is_same_v<Piece, ColumnsPiece>) {
          return CountIndices(p.lists) * BytesOfEach(p.from, 1);
        } else {
          return NumBytes(p.from.tensor->spec);
        }
      },
      piece);
}

}  // namespace moe
