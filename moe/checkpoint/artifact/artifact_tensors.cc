#include "moe/checkpoint/artifact/artifact_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

// No checkpoint comes near; a larger number in a name is a mistake.
constexpr int64_t kMaxLayers = 1 << 20;

absl::Status WrongTensor(const HostTensor& tensor, absl::string_view where,
                         absl::string_view want) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": expected ", want, ", found ",
                   DtypeName(tensor.dtype), " ", FormatShape(tensor.shape)));
}

absl::Status CheckRank(const HostTensor& tensor, size_t rank,
                       absl::string_view where) {
  if (tensor.shape.size() == rank) return absl::OkStatus();
  return WrongTensor(tensor, where, rank == 1 ? "one dimension" : "a matrix");
}

template <typename T>
std::vector<T> Load(const HostTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) {
    std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(T));
  }
  return values;
}

// The values, whatever the shape.
template <typename T>
absl::StatusOr<std::vector<T>> ReadValues(const HostTensor& tensor,
                                          absl::string_view where) {
  if constexpr (std::is_same_v<T, int64_t>) {
    if (tensor.dtype == Dtype::kI64) return Load<int64_t>(tensor);
    if (tensor.dtype != Dtype::kI32) {
      return WrongTensor(tensor, where, "I64 (or I32)");
    }
    const std::vector<int32_t> narrow = Load<int32_t>(tensor);
    return std::vector<int64_t>(narrow.begin(), narrow.end());
  } else {
    constexpr bool kIsDouble = std::is_same_v<T, double>;
    if (kIsDouble && tensor.dtype == Dtype::kF64) return Load<T>(tensor);
    if (!IsWeightDtype(tensor.dtype)) {
      return WrongTensor(
          tensor, where,
          kIsDouble ? "F64 (or F32, BF16, F16)" : "F32 (or BF16 or F16)");
    }
    std::vector<float> floats(tensor.bytes.size() /
                              static_cast<size_t>(DtypeSize(tensor.dtype)));
    WeightsToFloat(tensor.dtype, tensor.bytes, absl::MakeSpan(floats));
    return std::vector<T>(floats.begin(), floats.end());
  }
}

template <typename T>
HostTensor Store(Dtype dtype, absl::Span<const T> values, Shape shape) {
  HostTensor tensor;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.bytes.assign(reinterpret_cast<const char*>(values.data()),
                      values.size() * sizeof(T));
  MOE_CHECK(static_cast<int64_t>(tensor.bytes.size()) ==
            NumBytes({"", dtype, tensor.shape}));
  return tensor;
}

// Strictly the i of "layers.{i}" or "layers.{i}.more"; -1 for any other name.
int64_t LayerOf(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "layers.")) return -1;
  const absl::string_view digits = name.substr(0, name.find('.'));
  int64_t layer = -1;
  if (!absl::SimpleAtoi(digits, &layer) || absl::StrCat(layer) != digits) {
    return -1;
  }
  return layer;
}

// InvalidArgument for the first value that is not `allowed`.
template <typename T>
absl::Status CheckEach(absl::Span<const T> values, absl::string_view where,
                       int64_t cols, absl::string_view want,
                       bool (*allowed)(T)) {
  const auto found = std::find_if_not(values.begin(), values.end(), allowed);
  if (found == values.end()) return absl::OkStatus();
  const int64_t i = found - values.begin();
  const std::string place =
      cols == 0 ? absl::StrCat(i) : absl::StrCat(i / cols, ", ", i % cols);
  return absl::InvalidArgumentError(absl::StrCat(
      where, "[", place, "]: expected ", want, ", found ", *found));
}

template <typename T>
absl::Status CheckEachFinite(absl::Span<const T> values,
                             absl::string_view where, int64_t cols) {
  return CheckEach<T>(values, where, cols, "a finite value",
                      [](T value) { return std::isfinite(value); });
}

template <typename T>
absl::Status CheckEachNotNegative(absl::Span<const T> values,
                                  absl::string_view where) {
  return CheckEach<T>(values, where, /*cols=*/0, "0 or more",
                      [](T value) { return value >= 0; });
}

}  // namespace

std::string LayerTensorName(int64_t layer, absl::string_view suffix) {
  return absl::StrCat("layers.", layer, suffix.empty() ? "" : ".", suffix);
}

template <typename T>
absl::StatusOr<std::vector<T>> ReadVector(const HostTensor& tensor,
                                          absl::string_view where) {
  MOE_RETURN_IF_ERROR(CheckRank(tensor, 1, where));
  return ReadValues<T>(tensor, where);
}

template <typename T>
absl::StatusOr<base::Matrix<T>> ReadMatrix(const HostTensor& tensor,
                                           absl::string_view where) {
  MOE_RETURN_IF_ERROR(CheckRank(tensor, 2, where));
  MOE_ASSIGN_OR_RETURN(const std::vector<T> values,
                       ReadValues<T>(tensor, where));
  return base::Matrix<T>(tensor.shape[0], tensor.shape[1], values);
}

using Where = absl::string_view;
template absl::StatusOr<std::vector<float>> ReadVector(const HostTensor&,
                                                       Where);
template absl::StatusOr<std::vector<double>> ReadVector(const HostTensor&,
                                                        Where);
template absl::StatusOr<std::vector<int64_t>> ReadVector(const HostTensor&,
                                                         Where);
template absl::StatusOr<base::Matrix<float>> ReadMatrix(const HostTensor&,
                                                        Where);
template absl::StatusOr<base::Matrix<int64_t>> ReadMatrix(const HostTensor&,
                                                          Where);

absl::StatusOr<int64_t> ReadCount(const HostTensor& tensor,
                                  absl::string_view where) {
  if (!tensor.shape.empty() && tensor.shape != Shape{1}) {
    return WrongTensor(tensor, where, "one number");
  }
  if (tensor.dtype == Dtype::kI64 || tensor.dtype == Dtype::kI32) {
    MOE_ASSIGN_OR_RETURN(const std::vector<int64_t> ints,
                         ReadValues<int64_t>(tensor, where));
    return ints.front();
  }
  MOE_ASSIGN_OR_RETURN(const std::vector<double> values,
                       ReadValues<double>(tensor, where));
  const double value = values.front();
  // Up to 2^53 every integer is a double.
  if (!(std::abs(value) <= 0x1p53) || value != std::trunc(value)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": expected a count, found ", value));
  }
  return static_cast<int64_t>(value);
}

std::set<int64_t> TensorTaker::Layers() const {
  std::set<int64_t> layers;
  for (const auto& [name, tensor] : tensors_) {
    const int64_t layer = LayerOf(name);
    if (layer >= 0) layers.insert(layer);
  }
  return layers;
}

absl::StatusOr<int64_t> TensorTaker::NumLayers() const {
  const std::set<int64_t> layers = Layers();
  if (!layers.empty() && *layers.rbegin() < kMaxLayers) {
    return *layers.rbegin() + 1;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected tensors whose names start with \"layers.0\" and so on, found ",
      tensors_.empty() ? "no tensors"
                       : absl::StrCat("\"", tensors_.rbegin()->first, "\"")));
}

bool TensorTaker::Has(absl::string_view name) const {
  return tensors_.count(std::string(name)) != 0;
}

absl::StatusOr<const HostTensor*> TensorTaker::Take(absl::string_view name) {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected the tensor \"", name, "\", found none"));
  }
  taken_.insert(found->first);
  return &found->second;
}

absl::Status TensorTaker::Finish() const {
  for (const auto& [name, tensor] : tensors_) {
    if (taken_.contains(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "expected only tensors of this artifact, found \"", name, "\""));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> CountAt(const absl::StatusOr<PtCursor>& at) {
  MOE_RETURN_IF_ERROR(at.status());
  if (const int64_t* number = at->value().As<int64_t>()) return *number;
  MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, at->Tensor());
  return ReadCount(*tensor, at->path());
}

HostTensor FloatTensor(absl::Span<const float> values, Shape shape) {
  return Store(Dtype::kF32, values, std::move(shape));
}
HostTensor DoubleTensor(absl::Span<const double> values, Shape shape) {
  return Store(Dtype::kF64, values, std::move(shape));
}
HostTensor IntTensor(absl::Span<const int64_t> values, Shape shape) {
  return Store(Dtype::kI64, values, std::move(shape));
}
HostTensor ToTensor(const std::vector<float>& vector) {
  return FloatTensor(vector, {static_cast<int64_t>(vector.size())});
}
HostTensor ToTensor(const std::vector<double>& vector) {
  return DoubleTensor(vector, {static_cast<int64_t>(vector.size())});
}
HostTensor ToTensor(const std::vector<int64_t>& vector) {
  return IntTensor(vector, {static_cast<int64_t>(vector.size())});
}
HostTensor ToTensor(const base::Matrix<float>& matrix) {
  return FloatTensor(matrix.values(), {matrix.rows(), matrix.cols()});
}
HostTensor ToTensor(const base::Matrix<int64_t>& matrix) {
  return IntTensor(matrix.values(), {matrix.rows(), matrix.cols()});
}

absl::Status CheckFinite(absl::Span<const float> values,
                         absl::string_view where, int64_t cols) {
  return CheckEachFinite(values, where, cols);
}
absl::Status CheckFinite(absl::Span<const double> values,
                         absl::string_view where) {
  return CheckEachFinite(values, where, /*cols=*/0);
}
absl::Status CheckNotNegative(absl::Span<const int64_t> values,
                              absl::string_view where) {
  return CheckEachNotNegative(values, where);
}
absl::Status CheckNotNegative(absl::Span<const double> values,
                              absl::string_view where) {
  return CheckEachNotNegative(values, where);
}

absl::Status CheckEqual(int64_t got, int64_t want, absl::string_view where,
                        absl::string_view what) {
  if (got == want) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      where, where.empty() ? "" : ": ", "expected ", what, " ", want,
      ", found ", got,
      "; make the artifact again for this checkpoint and these options"));
}

}  // namespace moe::checkpoint
