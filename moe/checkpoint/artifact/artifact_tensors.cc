#include "moe/checkpoint/artifact/artifact_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
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

namespace moe {
namespace {

// No checkpoint comes near; a larger number in a name is a mistake.
constexpr int64_t kMaxLayers = 1 << 20;

absl::Status WrongTensor(const HostTensor& tensor, absl::string_view where,
                         absl::string_view want) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": is ", DtypeName(tensor.dtype), " ",
                   FormatShape(tensor.shape), ", and ", want, " was wanted"));
}

absl::Status CheckRank(const HostTensor& tensor, size_t rank,
                       absl::string_view where) {
  if (tensor.shape.size() == rank) return absl::OkStatus();
  return WrongTensor(tensor, where, rank == 1 ? "one dimension" : "a matrix");
}

absl::StatusOr<std::vector<float>> Floats(const HostTensor& tensor,
                                          absl::string_view where) {
  if (!IsWeightDtype(tensor.dtype)) {
    return WrongTensor(tensor, where, "F32 (or BF16 or F16)");
  }
  std::vector<float> values(tensor.bytes.size() /
                            static_cast<size_t>(DtypeSize(tensor.dtype)));
  WeightsToFloat(tensor.dtype, tensor.bytes, absl::MakeSpan(values));
  return values;
}

template <typename T>
std::vector<T> Load(const HostTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) {
    std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(T));
  }
  return values;
}

absl::StatusOr<std::vector<double>> Doubles(const HostTensor& tensor,
                                            absl::string_view where) {
  if (tensor.dtype == Dtype::kF64) return Load<double>(tensor);
  if (!IsWeightDtype(tensor.dtype)) {
    return WrongTensor(tensor, where, "F64 (or F32, BF16, F16)");
  }
  MOE_ASSIGN_OR_RETURN(const std::vector<float> floats, Floats(tensor, where));
  return std::vector<double>(floats.begin(), floats.end());
}

absl::StatusOr<std::vector<int64_t>> Ints(const HostTensor& tensor,
                                          absl::string_view where) {
  if (tensor.dtype == Dtype::kI64) return Load<int64_t>(tensor);
  if (tensor.dtype != Dtype::kI32) {
    return WrongTensor(tensor, where, "I64 (or I32)");
  }
  const std::vector<int32_t> narrow = Load<int32_t>(tensor);
  return std::vector<int64_t>(narrow.begin(), narrow.end());
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

template <typename T>
absl::Status CheckFiniteValues(absl::Span<const T> values,
                               absl::string_view where, int64_t cols) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    const int64_t position = static_cast<int64_t>(i);
    const std::string place =
        cols == 0 ? absl::StrCat(position)
                  : absl::StrCat(position / cols, ", ", position % cols);
    return absl::InvalidArgumentError(absl::StrCat(
        where, "[", place, "] is ", values[i], "; every value must be finite"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string LayerTensorName(int64_t layer, absl::string_view suffix) {
  return absl::StrCat("layers.", layer, suffix.empty() ? "" : ".", suffix);
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
      "the names of the tensors must start with \"layers.0\" and so on",
      tensors_.empty()
          ? ", and there are no tensors"
          : absl::StrCat(", and one is \"", tensors_.rbegin()->first, "\"")));
}

bool TensorTaker::Has(absl::string_view name) const {
  return tensors_.count(std::string(name)) != 0;
}

absl::StatusOr<const HostTensor*> TensorTaker::Take(absl::string_view name) {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tensor \"", name, "\" is missing"));
  }
  taken_.insert(found->first);
  return &found->second;
}

absl::Status TensorTaker::Finish() const {
  for (const auto& [name, tensor] : tensors_) {
    if (taken_.contains(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "the tensor \"", name, "\" is none of this kind of artifact's"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> FloatVector(const HostTensor& tensor,
                                               absl::string_view where) {
  MOE_RETURN_IF_ERROR(CheckRank(tensor, 1, where));
  return Floats(tensor, where);
}

absl::StatusOr<Matrix<float>> FloatMatrix(const HostTensor& tensor,
                                          absl::string_view where) {
  MOE_RETURN_IF_ERROR(CheckRank(tensor, 2, where));
  MOE_ASSIGN_OR_RETURN(const std::vector<float> values, Floats(tensor, where));
  return Matrix<float>(tensor.shape[0], tensor.shape[1], values);
}

absl::StatusOr<std::vector<double>> DoubleVector(const HostTensor& tensor,
                                                 absl::string_view where) {
  MOE_RETURN_IF_ERROR(CheckRank(tensor, 1, where));
  return Doubles(tensor, where);
}

absl::StatusOr<std::vector<int64_t>> IntVector(const HostTensor& tensor,
                                               absl::string_view where) {
  MOE_RETURN_IF_ERROR(CheckRank(tensor, 1, where));
  return Ints(tensor, where);
}

absl::StatusOr<Matrix<int64_t>> IntMatrix(const HostTensor& tensor,
                                          absl::string_view where) {
  MOE_RETURN_IF_ERROR(CheckRank(tensor, 2, where));
  MOE_ASSIGN_OR_RETURN(const std::vector<int64_t> values, Ints(tensor, where));
  return Matrix<int64_t>(tensor.shape[0], tensor.shape[1], values);
}

absl::StatusOr<int64_t> Count(const HostTensor& tensor,
                              absl::string_view where) {
  if (!tensor.shape.empty() && tensor.shape != Shape{1}) {
    return WrongTensor(tensor, where, "one number");
  }
  if (tensor.dtype == Dtype::kI64 || tensor.dtype == Dtype::kI32) {
    MOE_ASSIGN_OR_RETURN(const std::vector<int64_t> ints, Ints(tensor, where));
    return ints.front();
  }
  MOE_ASSIGN_OR_RETURN(const std::vector<double> values,
                       Doubles(tensor, where));
  const double value = values.front();
  // Up to 2^53 every integer is a double.
  if (!(std::abs(value) <= 0x1p53) || value != std::trunc(value)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": is ", value, ", and a count was wanted"));
  }
  return static_cast<int64_t>(value);
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

absl::StatusOr<std::vector<float>> FloatVectorAt(const PtCursor& at) {
  MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, at.Tensor());
  return FloatVector(*tensor, at.path());
}

absl::StatusOr<Matrix<float>> FloatMatrixAt(const PtCursor& at) {
  MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, at.Tensor());
  return FloatMatrix(*tensor, at.path());
}

absl::StatusOr<std::vector<double>> DoubleVectorAt(const PtCursor& at) {
  MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, at.Tensor());
  return DoubleVector(*tensor, at.path());
}

absl::StatusOr<int64_t> CountAt(const PtCursor& at) {
  if (const int64_t* number = at.value().As<int64_t>()) {
    return *number;
  }
  MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, at.Tensor());
  return Count(*tensor, at.path());
}

absl::Status CheckFinite(absl::Span<const float> values,
                         absl::string_view where, int64_t cols) {
  return CheckFiniteValues(values, where, cols);
}

absl::Status CheckFinite(absl::Span<const double> values,
                         absl::string_view where) {
  return CheckFiniteValues(values, where, 0);
}

absl::Status CheckEqual(int64_t got, int64_t want, absl::string_view what) {
  if (got == want) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is ", got, ", and ", want,
                   " was wanted; make the artifact anew for this checkpoint "
                   "and these options"));
}

}  // namespace moe
