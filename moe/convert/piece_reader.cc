#include "moe/convert/piece_reader.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe {
namespace {

PieceUnits Elements(const TensorLocation& from) {
  const int64_t bytes = DtypeSize(from.tensor->spec.dtype);
  return {NumBytes(from.tensor->spec) / bytes, bytes};
}

absl::Status Read(const TensorLocation& from, int64_t offset_bytes,
                  absl::Span<char> out) {
  return from.shard->Read(*from.tensor, static_cast<uint64_t>(offset_bytes),
                          out);
}

// Numbers that follow each other are read at once. Returns how many do from
// the beginning of `list` on.
size_t RunLength(absl::Span<const int64_t> list) {
  size_t length = 1;
  while (length < list.size() && list[length] == list[length - 1] + 1) {
    ++length;
  }
  return length;
}

// Whether `value` is the product of `a` and `b`, and not a number near it. The
// double product of two floats is exact.
bool IsProduct(float value, float a, float b) {
  return double{value} == double{a} * double{b};
}

}  // namespace

PieceUnits UnitsOf(const CopyPiece& piece) { return Elements(piece.from); }
PieceUnits UnitsOf(const ScaledPiece& piece) { return Elements(piece.from); }

PieceUnits UnitsOf(const RowsPiece& piece) {
  const TensorSpec& spec = piece.from.tensor->spec;
  PieceUnits units = {0, NumBytes(spec) / spec.shape[0]};
  for (const auto& list : piece.lists) {
    units.count += static_cast<int64_t>(list.size());
  }
  return units;
}

absl::Status ReadUnits(const CopyPiece& piece, int64_t first,
                       absl::Span<char> out) {
  return Read(piece.from, first * Elements(piece.from).bytes, out);
}

absl::Status ReadUnits(const RowsPiece& piece, int64_t first,
                       absl::Span<char> out) {
  const int64_t row_bytes = UnitsOf(piece).bytes;
  auto skipped = static_cast<size_t>(first);
  for (absl::Span<const int64_t> list : piece.lists) {
    const size_t skip = std::min(skipped, list.size());
    skipped -= skip;
    list.remove_prefix(skip);
    list = list.first(
        std::min(list.size(), out.size() / static_cast<size_t>(row_bytes)));
    while (!list.empty()) {
      const size_t count = RunLength(list);
      const size_t run_bytes = count * static_cast<size_t>(row_bytes);
      MOE_RETURN_IF_ERROR(
          Read(piece.from, list[0] * row_bytes, out.first(run_bytes)));
      out.remove_prefix(run_bytes);
      list.remove_prefix(count);
    }
    if (out.empty()) return absl::OkStatus();
  }
  MOE_CHECK(out.empty());
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadUnits(const ScaledPiece& piece, int64_t first,
                                  absl::Span<char> out) {
  const TensorSpec& spec = piece.from.tensor->spec;
  const int64_t element_bytes = DtypeSize(spec.dtype);
  MOE_RETURN_IF_ERROR(Read(piece.from, first * element_bytes, out));
  const size_t count = out.size() / static_cast<size_t>(element_bytes);
  std::vector<float> values(count), products(count);
  WeightsToFloat(spec.dtype, out, absl::MakeSpan(values));
  for (size_t i = 0; i < count; ++i) products[i] = values[i] * piece.factor;
  FloatToWeights(spec.dtype, products, out);
  if (const std::optional<int64_t> found = FindNonFinite(spec.dtype, out)) {
    const size_t at = static_cast<size_t>(*found);
    return absl::InvalidArgumentError(absl::StrCat(
        piece.from.shard->path(), ": tensor \"", spec.name, "\" has ",
        values[at], " at element ", first + *found, "; times ", piece.factor,
        " it is beyond the largest ", DtypeName(spec.dtype)));
  }
  WeightsToFloat(spec.dtype, out, absl::MakeSpan(products));
  int64_t num_rounded = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!IsProduct(products[i], values[i], piece.factor)) ++num_rounded;
  }
  return num_rounded;
}

}  // namespace moe
