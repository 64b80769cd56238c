// What the artifacts share in reading, writing and checking their tensors.
//
// A safetensors name starts with `layers.{i}`. A file has the layers 0 to L-1
// and no tensor that the artifact does not know. Every error is InvalidArgument
// with the tensor's name, or its place in a `.pt` file, what was expected and
// what was found. Whoever opened the file adds its path.

#ifndef MOE_CHECKPOINT_ARTIFACT_ARTIFACT_TENSORS_H_
#define MOE_CHECKPOINT_ARTIFACT_ARTIFACT_TENSORS_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {

// "layers.3"; with a suffix, "layers.3.experts".
std::string LayerTensorName(int64_t layer, absl::string_view suffix = "");

// Values of a tensor, for T float, double or int64_t. A vector has one
// dimension, a matrix two. Floats are read exactly from BF16, F16 and F32; F64
// would have to be rounded and is refused. Doubles are read from those and from
// F64, integers from I64 and I32. `where` is the tensor's name in errors.
template <typename T>
absl::StatusOr<std::vector<T>> ReadVector(const HostTensor& tensor,
                                          absl::string_view where);
template <typename T>
absl::StatusOr<base::Matrix<T>> ReadMatrix(const HostTensor& tensor,
                                           absl::string_view where);
// The one number of a tensor of shape [] or [1]. PyTorch sometimes counts in
// floats: a float that is an integer is read as one.
absl::StatusOr<int64_t> ReadCount(const HostTensor& tensor,
                                  absl::string_view where);

// Reads tensors by name and finds those that nobody read. Refers to the tensors
// that it is given.
class TensorTaker {
 public:
  explicit TensorTaker(const HostTensors& tensors) : tensors_(tensors) {}

  // The i of the names `layers.{i}...`.
  std::set<int64_t> Layers() const;
  // One more than the largest of them; InvalidArgument if there are none.
  absl::StatusOr<int64_t> NumLayers() const;
  bool Has(absl::string_view name) const;
  absl::StatusOr<const HostTensor*> Take(absl::string_view name);
  // Takes the tensor and reads it with `read`: ReadVector<T>, ReadMatrix<T> or
  // ReadCount.
  template <typename T>
  absl::StatusOr<T> Take(absl::string_view name,
                         absl::StatusOr<T> (*read)(const HostTensor&,
                                                   absl::string_view)) {
    MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, Take(name));
    return read(*tensor, name);
  }
  // OK if everything was taken.
  absl::Status Finish() const;

 private:
  const HostTensors& tensors_;
  absl::flat_hash_set<std::string> taken_;
};

// The layers of a file, each read by `read` from its tensors.
template <typename Layer>
absl::StatusOr<std::vector<Layer>> TakeLayers(
    const HostTensors& tensors,
    absl::FunctionRef<absl::StatusOr<Layer>(TensorTaker&, int64_t)> read) {
  TensorTaker taker(tensors);
  MOE_ASSIGN_OR_RETURN(const int64_t num_layers, taker.NumLayers());
  std::vector<Layer> layers;
  for (int64_t i = 0; i < num_layers; ++i) {
    MOE_ASSIGN_OR_RETURN(Layer layer, read(taker, i));
    layers.push_back(std::move(layer));
  }
  MOE_RETURN_IF_ERROR(taker.Finish());
  return layers;
}

// The layers of the dict {i: layer} of a `.pt` file, each read by `read`.
template <typename Layer>
absl::StatusOr<std::vector<Layer>> LayersAt(
    const PtValue& value,
    absl::FunctionRef<absl::StatusOr<Layer>(const PtCursor&)> read) {
  MOE_ASSIGN_OR_RETURN(const std::vector<PtCursor> cursors,
                       PtCursor(value).Numbered("layers"));
  std::vector<Layer> layers;
  for (const PtCursor& cursor : cursors) {
    MOE_ASSIGN_OR_RETURN(Layer layer, read(cursor));
    layers.push_back(std::move(layer));
  }
  return layers;
}

// The value at a place of a `.pt` file, or the error that `at` holds.
template <typename T>
absl::StatusOr<std::vector<T>> VectorAt(const absl::StatusOr<PtCursor>& at) {
  MOE_RETURN_IF_ERROR(at.status());
  MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, at->Tensor());
  return ReadVector<T>(*tensor, at->path());
}
// A tensor as for ReadCount, or a Python int.
absl::StatusOr<int64_t> CountAt(const absl::StatusOr<PtCursor>& at);

HostTensor FloatTensor(absl::Span<const float> values, Shape shape);
HostTensor DoubleTensor(absl::Span<const double> values, Shape shape);
HostTensor IntTensor(absl::Span<const int64_t> values, Shape shape);
// All of a vector or a matrix, in its own shape.
HostTensor ToTensor(const std::vector<float>& vector);
HostTensor ToTensor(const std::vector<double>& vector);
HostTensor ToTensor(const std::vector<int64_t>& vector);
HostTensor ToTensor(const base::Matrix<float>& matrix);
HostTensor ToTensor(const base::Matrix<int64_t>& matrix);

// The rest is for validation.

// InvalidArgument for the first NaN or infinity: "layers.3.mean[17]: expected a
// finite value, found nan". With `cols`, the place is [row, column].
absl::Status CheckFinite(absl::Span<const float> values,
                         absl::string_view where, int64_t cols = 0);
absl::Status CheckFinite(absl::Span<const double> values,
                         absl::string_view where);
// InvalidArgument for the first value below 0.
absl::Status CheckNotNegative(absl::Span<const int64_t> values,
                              absl::string_view where);
absl::Status CheckNotNegative(absl::Span<const double> values,
                              absl::string_view where);
// InvalidArgument, with what to do, if `got` is not `want`: "layers.3: expected
// hidden_size 8, found 4; ...". `where` may be empty.
absl::Status CheckEqual(int64_t got, int64_t want, absl::string_view where,
                        absl::string_view what);

// Checks the number of layers, and each layer with `check`. Errors name
// `where`, the path.
template <typename Layer>
absl::Status CheckLayers(
    const std::vector<Layer>& layers, int64_t num_layers,
    absl::string_view where,
    absl::FunctionRef<absl::Status(const Layer&, int64_t)> check) {
  MOE_RETURN_IF_ERROR(CheckEqual(static_cast<int64_t>(layers.size()),
                                 num_layers, where, "num_layers"));
  for (int64_t i = 0; i < num_layers; ++i) {
    MOE_RETURN_IF_ERROR(
        base::Annotate(check(layers[static_cast<size_t>(i)], i), where));
  }
  return absl::OkStatus();
}

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_ARTIFACT_TENSORS_H_
