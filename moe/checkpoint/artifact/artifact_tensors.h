// What the artifacts share in reading and writing their tensors.
//
// Their safetensors names start with `layers.{i}`; a file has the layers 0 to
// L-1 and no tensor that the artifact does not know. Every error here is
// InvalidArgument with the tensor's name or its place in a `.pt` file, what was
// found and what was wanted; the file's path is added by who opened it.

#ifndef MOE_CHECKPOINT_ARTIFACT_ARTIFACT_TENSORS_H_
#define MOE_CHECKPOINT_ARTIFACT_ARTIFACT_TENSORS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe {

// "layers.3"; with a suffix, "layers.3.experts".
std::string LayerTensorName(int64_t layer, absl::string_view suffix = "");

// Takes tensors by name and knows in the end which nobody asked for. Refers to
// the tensors it is given.
class TensorTaker {
 public:
  explicit TensorTaker(const HostTensors& tensors) : tensors_(tensors) {}

  // The i of the names `layers.{i}...`.
  std::set<int64_t> Layers() const;
  // One more than the largest of them; InvalidArgument if there are none.
  absl::StatusOr<int64_t> NumLayers() const;
  bool Has(absl::string_view name) const;
  absl::StatusOr<const HostTensor*> Take(absl::string_view name);
  // OK if everything was taken.
  absl::Status Finish() const;

 private:
  const HostTensors& tensors_;
  absl::flat_hash_set<std::string> taken_;
};

// Values of tensors, at `where`. A matrix has two dimensions, a vector one.
// Floats come from BF16, F16, F32, exactly; F64 is refused, since it would have
// to be rounded.
absl::StatusOr<std::vector<float>> FloatVector(const HostTensor& tensor,
                                               absl::string_view where);
absl::StatusOr<Matrix<float>> FloatMatrix(const HostTensor& tensor,
                                          absl::string_view where);
// Doubles come from those and from F64.
absl::StatusOr<std::vector<double>> DoubleVector(const HostTensor& tensor,
                                                 absl::string_view where);
absl::StatusOr<std::vector<int64_t>> IntVector(const HostTensor& tensor,
                                               absl::string_view where);
absl::StatusOr<Matrix<int64_t>> IntMatrix(const HostTensor& tensor,
                                          absl::string_view where);
// The one number of a tensor of shape [] or [1]. PyTorch counts in floats at
// times: a float that is an integer is taken as one.
absl::StatusOr<int64_t> Count(const HostTensor& tensor,
                              absl::string_view where);

HostTensor FloatTensor(absl::Span<const float> values, Shape shape);
HostTensor DoubleTensor(absl::Span<const double> values, Shape shape);
HostTensor IntTensor(absl::Span<const int64_t> values, Shape shape);

// The same, of the value at a place of a `.pt` file.
absl::StatusOr<std::vector<float>> FloatVectorAt(const PtCursor& at);
absl::StatusOr<Matrix<float>> FloatMatrixAt(const PtCursor& at);
absl::StatusOr<std::vector<double>> DoubleVectorAt(const PtCursor& at);
// A tensor as above, or a Python int.
absl::StatusOr<int64_t> CountAt(const PtCursor& at);

// For validation. "layers.3.mean[17] is nan"; with `cols`, as [row, column].
// InvalidArgument for the first NaN or infinity.
absl::Status CheckFinite(absl::Span<const float> values,
                         absl::string_view where, int64_t cols = 0);
absl::Status CheckFinite(absl::Span<const double> values,
                         absl::string_view where);
// InvalidArgument, with what to do, if `got` is not `want`.
absl::Status CheckEqual(int64_t got, int64_t want, absl::string_view what);

}  // namespace moe

#endif  // MOE_CHECKPOINT_ARTIFACT_ARTIFACT_TENSORS_H_
