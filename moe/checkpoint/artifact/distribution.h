// distribution: mean and variance of the output of each layer's blocks.
//
// Made by get_hidden_distribution, read by the alignment. A layer may lack one
// part, but not both.
//
//   safetensors: layers.{i}.{attn,mlp}.number    I64 []
//                layers.{i}.{attn,mlp}.mean      F64 [hidden_size]
//                layers.{i}.{attn,mlp}.variance  F64 [hidden_size]
//   .pt:         {i: {"attn": {"number", "mean", "variance"}, "mlp": ...}}
//
// F64 in safetensors. In a `.pt` file F32, rounded to nearest: the published
// scripts make model parameters of these tensors, and F64 ones would not fit
// the model. What those scripts write is read: F32, and the number as a float
// tensor
// [] or [1].

#ifndef MOE_CHECKPOINT_ARTIFACT_DISTRIBUTION_H_
#define MOE_CHECKPOINT_ARTIFACT_DISTRIBUTION_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {

struct FeatureMoments {
  int64_t number = 0;            // How many tokens.
  std::vector<double> mean;      // [hidden_size]
  std::vector<double> variance;  // [hidden_size], of the population

  friend bool operator==(const FeatureMoments&,
                         const FeatureMoments&) = default;
};

struct Distribution {
  static constexpr absl::string_view kName = "distribution";

  std::vector<LayerParts<FeatureMoments>> layers;

  HostTensors ToTensors() const;
  static absl::StatusOr<Distribution> FromTensors(const HostTensors& tensors);
  PtValue ToPt() const;
  static absl::StatusOr<Distribution> FromPt(const PtValue& value);

  friend bool operator==(const Distribution&, const Distribution&) = default;
};

struct DistributionShape {
  int64_t num_layers = 0;
  int64_t hidden_size = 0;
};

// OK if it fits a checkpoint of that shape, every value is finite and no number
// or variance is negative. InvalidArgument, with `where` (the path), layer,
// part and place, otherwise.
absl::Status ValidateDistribution(const Distribution& distribution,
                                  const DistributionShape& want,
                                  absl::string_view where);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_DISTRIBUTION_H_
