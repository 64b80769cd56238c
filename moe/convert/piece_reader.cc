#include "moe/convert/piece_reader.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

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

// Elements that stay in the first cache, in all their forms.
constexpr size_t kScaledAtOnce = 2048;

// Multiplies elements, at most kScaledAtOnce from number `first` on, in place.
// Returns how many products were rounded.
absl::StatusOr<int64_t> ScaleSome(const ScaledPiece& piece, int64_t first,
                                  absl::Span<char> elements) {
  const TensorSpec& spec = piece.from.tensor->spec;
  const size_t count =
      elements.size() / static_cast<size_t>(DtypeSize(spec.dtype));
  std::array<float, kScaledAtOnce> value_buffer, product_buffer;
  const auto values = absl::MakeSpan(value_buffer).first(count);
  const auto products = absl::MakeSpan(product_buffer).first(count);
  WeightsToFloat(spec.dtype, elements, values);
  for (size_t i = 0; i < count; ++i) products[i] = values[i] * piece.factor;
  FloatToWeights(spec.dtype, products, elements);
  if (const std::optional<int64_t> found =
          FindNonFinite(spec.dtype, elements)) {
    return absl::InvalidArgumentError(
        absl::StrCat(piece.from.shard->path(), ": tensor \"", spec.name,
                     "\" has ", values[static_cast<size_t>(*found)],
                     " at element ", first + *found, "; times ", piece.factor,
                     " it is beyond the largest ", DtypeName(spec.dtype)));
  }
  WeightsToFloat(spec.dtype, elements, products);
  int64_t num_rounded = 0;
  for (size_t i = 0; i < count; ++i) {
    num_rounded += IsProduct(products[i], values[i], piece.factor) ? 0 : 1;
  }
  return num_rounded;
}

// The same of any number of them.
absl::StatusOr<int64_t> Scale(const ScaledPiece& piece, int64_t first,
                              absl::Span<char> elements) {
  const auto element_bytes =
      static_cast<size_t>(DtypeSize(piece.from.tensor->spec.dtype));
  int64_t num_rounded = 0;
  while (!elements.empty()) {
    const absl::Span<char> block = elements.first(
        std::min(elements.size(), kScaledAtOnce * element_bytes));
    MOE_ASSIGN_OR_RETURN(const int64_t count, ScaleSome(piece, first, block));
    num_rounded += count;
    first += static_cast<int64_t>(block.size() / element_bytes);
    elements.remove_prefix(block.size());
  }
  return num_rounded;
}

PieceUnits Rows(const TensorLocation& from) {
  const TensorSpec& spec = from.tensor->spec;
  return {spec.shape[0], NumBytes(spec) / spec.shape[0]};
}

}  // namespace

PieceUnits UnitsOf(const CopyPiece& piece) { return Elements(piece.from); }
PieceUnits UnitsOf(const ScaledPiece& piece) { return Elements(piece.from); }

PieceUnits UnitsOf(const ScaledRowsPiece& piece) { return Rows(piece.from); }

PieceUnits UnitsOf(const RowsPiece& piece) {
  PieceUnits units = {0, Rows(piece.from).bytes};
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
  MOE_RETURN_IF_ERROR(Read(piece.from, first * UnitsOf(piece).bytes, out));
  return Scale(piece, first, out);
}

absl::StatusOr<int64_t> ReadUnits(const ScaledRowsPiece& piece, int64_t first,
                                  absl::Span<char> out) {
  const int64_t row_bytes = UnitsOf(piece).bytes;
  const int64_t row_elements = row_bytes / Elements(piece.from).bytes;
  MOE_RETURN_IF_ERROR(Read(piece.from, first * row_bytes, out));
  int64_t num_rounded = 0;
  for (int64_t row = first; !out.empty(); ++row) {
    MOE_ASSIGN_OR_RETURN(
        const int64_t count,
        Scale({piece.from, piece.factors[static_cast<size_t>(row)]},
              row * row_elements, out.first(static_cast<size_t>(row_bytes))));
    num_rounded += count;
    out.remove_prefix(static_cast<size_t>(row_bytes));
  }
  return num_rounded;
}

}  // namespace moe
