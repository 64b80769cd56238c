// Quantized weights, which are refused, and a quantization_config that merging
// a model back to 16 bits left behind, which is passed over.

#ifndef MOE_CHECKPOINT_QUANTIZATION_H_
#define MOE_CHECKPOINT_QUANTIZATION_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe {

// Whether the tensor is packed weights or belongs to some: an integer of one
// byte or a float of one, or a name that the libraries for quantization give
// ("qweight", "weight_scale").
bool IsQuantized(const TensorSpec& tensor);

// Unimplemented, with the first tensor that IsQuantized and the method of
// `quantization_config` (null for none), if there is one.
absl::Status CheckNotQuantized(const ShardedTensors& tensors,
                               const Json& quantization_config);

// What a user should know of a field beside plain weights: "PATH: ...".
std::string LeftoverQuantization(absl::string_view config_path,
                                 const Json& quantization_config);

}  // namespace moe

#endif  // MOE_CHECKPOINT_QUANTIZATION_H_
