// neuron_indices: which neurons of a dense MLP each expert takes.
//
// Made by the neuron split, read by the conversion of the MLP. Vanilla: experts
// only. Residual: also the neurons of the expert that every token goes through.
//
//   safetensors: layers.{i}.experts   I64 [num_experts, expert_size]
//                layers.{i}.residual  I64 [residual_size]    (residual only)
//   .pt:         {i: [[int]]}                                 (vanilla)
//                {i: {"residual": [int], e: [int]}}           (residual)
//
// All layers of a file are of one kind. The order of an expert's neurons is
// kept.

#ifndef MOE_CHECKPOINT_ARTIFACT_NEURON_INDICES_H_
#define MOE_CHECKPOINT_ARTIFACT_NEURON_INDICES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {

struct LayerNeuronIndices {
  base::Matrix<int64_t> experts;  // [num_experts, expert_size]
  std::optional<std::vector<int64_t>> residual;

  friend bool operator==(const LayerNeuronIndices&,
                         const LayerNeuronIndices&) = default;
};

struct NeuronIndices {
  static constexpr absl::string_view kName = "neuron_indices";

  std::vector<LayerNeuronIndices> layers;

  HostTensors ToTensors() const;
  static absl::StatusOr<NeuronIndices> FromTensors(const HostTensors& tensors);
  PtValue ToPt() const;
  static absl::StatusOr<NeuronIndices> FromPt(const PtValue& value);

  friend bool operator==(const NeuronIndices&, const NeuronIndices&) = default;
};

struct NeuronIndicesShape {
  int64_t num_layers = 0;
  int64_t num_experts = 0;
  int64_t intermediate_size = 0;  // The dense MLP's.
  bool residual = false;
  // Whether several experts may take the same neuron (--share_neurons).
  bool shared = false;
};

// OK if they fit a checkpoint of that shape: the same sizes in every layer,
// every index in [0, intermediate_size), none twice in one expert or in the
// residual expert, none both in the residual expert and in another, and, unless
// `shared`, none in two experts. InvalidArgument, with `where` (the path),
// layer and place, otherwise. Time and memory: O(intermediate_size + indices) a
// layer.
absl::Status ValidateNeuronIndices(const NeuronIndices& indices,
                                   const NeuronIndicesShape& want,
                                   absl::string_view where);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_NEURON_INDICES_H_
