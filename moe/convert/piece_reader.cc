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

namespace moe::convert {

absl::Status ReadFinite(const checkpoint::TensorLocation& from,
                        int64_t offset_bytes, absl::Span<char> out) {
  const checkpoint::TensorSpec& spec = from.tensor->spec;
  MOE_RETURN_IF_ERROR(
      from.shard->Read(*from.tensor, static_cast<uint64_t>(offset_bytes), out));
  const std::optional<int64_t> found = FindNonFinite(spec.dtype, out);
  if (!found.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      from.shard->path(), ": tensor \"", spec.name, "\" ",
      checkpoint::FormatShape(spec.shape), " has a NaN or infinity at element ",
      offset_bytes / checkpoint::DtypeSize(spec.dtype) + *found,
      "; a model with such a weight computes nothing; get the file again, or "
      "convert a checkpoint from before the weight was lost"));
}

namespace {

PieceUnits Elements(const checkpoint::TensorLocation& from) {
  const int64_t bytes = checkpoint::DtypeSize(from.tensor->spec.dtype);
  return {NumBytes(from.tensor->spec) / bytes, bytes};
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

// How many `products` are numbers near those of `values` and `factor` and not
// they themselves.
int64_t CountRounded(absl::Span<const float> products,
                     absl::Span<const float> values, double factor) {
  int64_t num_rounded = 0;
  if (double{static_cast<float>(factor)} == factor) {
    // The double product of two floats is exact.
    for (size_t i = 0; i < values.size(); ++i) {
      num_rounded += double{products[i]} == double{values[i]} * factor ? 0 : 1;
    }
  } else {
    // The factor itself was rounded.
    for (const float value : values) num_rounded += value == 0.0f ? 0 : 1;
  }
  return num_rounded;
}

// Elements that stay in the first cache, in all their forms.
constexpr size_t kScaledAtOnce = 2048;

// What elements of a tensor are multiplied by.
struct Multiplication {
  const checkpoint::TensorLocation& from;
  double factor = 1.0;
  // What to do where the product is beyond the type.
  const char* advice = "";
};

// Multiplies elements, at most kScaledAtOnce from number `first` on, in place.
// Returns how many products were rounded.
absl::StatusOr<int64_t> ScaleSome(const Multiplication& by, int64_t first,
                                  absl::Span<char> elements) {
  const checkpoint::TensorSpec& spec = by.from.tensor->spec;
  const size_t count =
      elements.size() / static_cast<size_t>(checkpoint::DtypeSize(spec.dtype));
  std::array<float, kScaledAtOnce> value_buffer, product_buffer;
  const auto values = absl::MakeSpan(value_buffer).first(count);
  const auto products = absl::MakeSpan(product_buffer).first(count);
  checkpoint::WeightsToFloat(spec.dtype, elements, values);
  const auto factor = static_cast<float>(by.factor);
  for (size_t i = 0; i < count; ++i) products[i] = values[i] * factor;
  checkpoint::FloatToWeights(spec.dtype, products, elements);
  if (const std::optional<int64_t> found =
          FindNonFinite(spec.dtype, elements)) {
    return absl::InvalidArgumentError(absl::StrCat(
        by.from.shard->path(), ": tensor \"", spec.name, "\" has ",
        values[static_cast<size_t>(*found)], " at element ", first + *found,
        "; times ", by.factor, " it is beyond the largest ",
        checkpoint::DtypeName(spec.dtype), "; ", by.advice));
  }
  checkpoint::WeightsToFloat(spec.dtype, elements, products);
  return CountRounded(products, values, by.factor);
}

// The same of any number of them.
absl::StatusOr<int64_t> Scale(const Multiplication& by, int64_t first,
                              absl::Span<char> elements) {
  const auto element_bytes =
      static_cast<size_t>(checkpoint::DtypeSize(by.from.tensor->spec.dtype));
  int64_t num_rounded = 0;
  while (!elements.empty()) {
    const absl::Span<char> block = elements.first(
        std::min(elements.size(), kScaledAtOnce * element_bytes));
    MOE_ASSIGN_OR_RETURN(const int64_t count, ScaleSome(by, first, block));
    num_rounded += count;
    first += static_cast<int64_t>(block.size() / element_bytes);
    elements.remove_prefix(block.size());
  }
  return num_rounded;
}

PieceUnits Rows(const checkpoint::TensorLocation& from) {
  const checkpoint::TensorSpec& spec = from.tensor->spec;
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
  return ReadFinite(piece.from, first * Elements(piece.from).bytes, out);
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
          ReadFinite(piece.from, list[0] * row_bytes, out.first(run_bytes)));
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
  MOE_RETURN_IF_ERROR(
      ReadFinite(piece.from, first * UnitsOf(piece).bytes, out));
  return Scale({piece.from, piece.factor,
                "convert with a smaller --scale_factor, or load the checkpoint "
                "as it is, with trust_remote_code=True"},
               first, out);
}

absl::StatusOr<int64_t> ReadUnits(const ScaledRowsPiece& piece, int64_t first,
                                  absl::Span<char> out) {
  const int64_t row_bytes = UnitsOf(piece).bytes;
  const int64_t row_elements = row_bytes / Elements(piece.from).bytes;
  MOE_RETURN_IF_ERROR(ReadFinite(piece.from, first * row_bytes, out));
  int64_t num_rounded = 0;
  for (int64_t row = first; !out.empty(); ++row) {
    MOE_ASSIGN_OR_RETURN(
        const int64_t count,
        Scale({piece.from, piece.factors[static_cast<size_t>(row)],
               "take the reference of such a block, or a checkpoint in BF16 "
               "or F32"},
              row * row_elements, out.first(static_cast<size_t>(row_bytes))));
    num_rounded += count;
    out.remove_prefix(static_cast<size_t>(row_bytes));
  }
  return num_rounded;
}

}  // namespace moe::convert
