// Weights out of a checkpoint, as they are stored, held to what a step that
// computes needs: every number finite.
//
// Names and shapes are those of the configuration since Checkpoint::Open, so
// that what is asked for here is there.

#ifndef MOE_MODEL_LAYER_CHECKPOINT_WEIGHTS_H_
#define MOE_MODEL_LAYER_CHECKPOINT_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe {

// Where a tensor lies, which must be there.
TensorLocation LocateWeight(const Checkpoint& checkpoint,
                            const TensorName& name);

// The whole tensor. The errors of reading; InvalidArgument, with the file, the
// tensor and the element, for a weight that is NaN or infinite. May be called
// by several threads at once.
absl::StatusOr<HostTensor> ReadWeight(const Checkpoint& checkpoint,
                                      const TensorName& name);

// Rows [begin, end) of a matrix, likewise.
absl::StatusOr<HostTensor> ReadWeightRows(const Checkpoint& checkpoint,
                                          const TensorName& name, int64_t begin,
                                          int64_t end);

// A matrix, for packing. The tensor must outlive the view.
WeightView ViewWeight(const HostTensor& matrix);

// Upcast exactly.
std::vector<float> ToFloats(const HostTensor& tensor);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_CHECKPOINT_WEIGHTS_H_
