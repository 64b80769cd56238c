// gate_weights: the routers' weights, one matrix a layer.
//
// Made by hidden_clustering and random_selection, read by the neuron importance
// and by the conversion of the MLP.
//
//   safetensors: layers.{i}  F32 [num_experts, hidden_size]
//   .pt:         {i: tensor[num_experts, hidden_size]}
//
// Weights in BF16 or F16 are upcast, exactly; F64 is refused.

#ifndef MOE_CHECKPOINT_ARTIFACT_GATE_WEIGHTS_H_
#define MOE_CHECKPOINT_ARTIFACT_GATE_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {

struct GateWeights {
  static constexpr absl::string_view kName = "gate_weights";

  std::vector<base::Matrix<float>> layers;  // [num_experts, hidden_size] each

  HostTensors ToTensors() const;
  static absl::StatusOr<GateWeights> FromTensors(const HostTensors& tensors);
  PtValue ToPt() const;
  static absl::StatusOr<GateWeights> FromPt(const PtValue& value);

  friend bool operator==(const GateWeights&, const GateWeights&) = default;
};

struct GateWeightsShape {
  int64_t num_layers = 0;
  int64_t num_experts = 0;
  int64_t hidden_size = 0;
};

// OK if they fit a checkpoint of that shape and every weight is finite.
// InvalidArgument, with `where` (the path), layer and place, otherwise.
absl::Status ValidateGateWeights(const GateWeights& gates,
                                 const GateWeightsShape& want,
                                 absl::string_view where);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_GATE_WEIGHTS_H_
