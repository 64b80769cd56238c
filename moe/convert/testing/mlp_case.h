// Conversions of the MLPs of tiny checkpoints, for tests.

#ifndef MOE_CONVERT_TESTING_MLP_CASE_H_
#define MOE_CONVERT_TESTING_MLP_CASE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert::testing {

struct MlpCase {
  TinyModel model;
  bool residual = false;
  int64_t num_experts = 4;
  double scale_factor = 4.0;
  int64_t num_contract = 0;
  bool given_indices = false;
  // Given neurons that several experts have.
  bool shared = false;
  bool given_gates = false;
};

// A random split of the neurons: a residual expert of 4 where there is one,
// then even shares of the rest, or with `shared` any 5 of it for each expert.
checkpoint::NeuronIndices RandomIndices(const MlpCase& c);

// With `num_rows` rows for every layer.
checkpoint::GateWeights RandomGates(const MlpCase& c, int64_t num_rows);

// Top 2, seed 5.
MlpConversionOptions OptionsOf(const MlpCase& c);

struct GivenArtifacts {
  std::optional<checkpoint::NeuronIndices> indices;  // "indices.file"
  std::optional<checkpoint::GateWeights> gates;      // "gates.file"

  // Valid as long as this object.
  MlpArtifacts Artifacts() const;
};

// Those that the case has. A residual conversion takes the first rows of gate
// weights that have one more.
GivenArtifacts GivenOf(const MlpCase& c);

struct Directories {
  std::string from;
  std::string to;
};

absl::StatusOr<MlpConversion> Convert(const Directories& directories,
                                      const MlpConversionOptions& options,
                                      const MlpArtifacts& artifacts,
                                      int num_threads = 1);

}  // namespace moe::convert::testing

#endif  // MOE_CONVERT_TESTING_MLP_CASE_H_
