// scale_factors: the factors and biases with which the alignment scaled and
// shifted each block's output.
//
// In the published mode, experts carry scale_bias unchanged, and the block adds
// scale_bias times its scale factor.
//
// Made by the alignment as a record. It holds only aligned blocks: a layer that
// stayed dense has no entry.
//
//   safetensors: layers.{i}.{attn,mlp}.scale_magnitude  F32 [hidden_size]
//                layers.{i}.{attn,mlp}.scale_bias       F32 [hidden_size]
//   .pt:         {i: {"attn": {"scale_magnitude", "scale_bias"}, "mlp": ...}}
//
// Values in BF16 or F16 are upcast, exactly; F64 is refused.

#ifndef MOE_CHECKPOINT_ARTIFACT_SCALE_FACTORS_H_
#define MOE_CHECKPOINT_ARTIFACT_SCALE_FACTORS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {

struct ScaleFactor {
  std::vector<float> scale_magnitude;  // [hidden_size]
  std::vector<float> scale_bias;       // [hidden_size]

  friend bool operator==(const ScaleFactor&, const ScaleFactor&) = default;
};

struct ScaleFactors {
  static constexpr absl::string_view kName = "scale_factors";

  // By layer. No entry has neither part.
  std::map<int64_t, LayerParts<ScaleFactor>> layers;

  HostTensors ToTensors() const;
  static absl::StatusOr<ScaleFactors> FromTensors(const HostTensors& tensors);
  PtValue ToPt() const;
  static absl::StatusOr<ScaleFactors> FromPt(const PtValue& value);

  friend bool operator==(const ScaleFactors&, const ScaleFactors&) = default;
};

struct ScaleFactorsShape {
  int64_t num_layers = 0;
  int64_t hidden_size = 0;
};

// OK if they fit a checkpoint of that shape and every value is finite.
// InvalidArgument, with `where` (the path), layer, part and place, otherwise.
absl::Status ValidateScaleFactors(const ScaleFactors& factors,
                                  const ScaleFactorsShape& want,
                                  absl::string_view where);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_SCALE_FACTORS_H_
