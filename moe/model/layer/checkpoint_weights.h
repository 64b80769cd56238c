// Reads weights from a checkpoint as they are stored, and checks that every
// number is finite.
//
// Checkpoint::Open has checked names and shapes against the configuration, so
// that every weight of the model is there.

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

namespace moe::model {

// The location of a tensor, which must be there.
checkpoint::TensorLocation LocateWeight(
    const checkpoint::Checkpoint& checkpoint,
    const checkpoint::TensorName& name);

// The whole tensor. The errors of reading; InvalidArgument, with the file, the
// tensor and the element, for a weight that is NaN or infinite. Several threads
// may call it at once.
absl::StatusOr<checkpoint::HostTensor> ReadWeight(
    const checkpoint::Checkpoint& checkpoint,
    const checkpoint::TensorName& name);

// The same for the rows [begin, end) of a matrix.
absl::StatusOr<checkpoint::HostTensor> ReadWeightRows(
    const checkpoint::Checkpoint& checkpoint,
    const checkpoint::TensorName& name, int64_t begin, int64_t end);

// A view of a matrix for packing. The tensor must outlive it.
kernels::WeightView ViewWeight(const checkpoint::HostTensor& matrix);

// The values, upcast exactly.
std::vector<float> ToFloats(const checkpoint::HostTensor& tensor);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_CHECKPOINT_WEIGHTS_H_
