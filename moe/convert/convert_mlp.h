// The MLPs of a dense model cut into experts: an MoE checkpoint.
//
// The step of the pipeline that follows the neuron split, or the first one,
// without router weights or split. What it computes with is the model's
// configuration; weights are moved, never recomputed. Published as LLaMA-MoE
// v2, "vanilla" and "residual".

#ifndef MOE_CONVERT_CONVERT_MLP_H_
#define MOE_CONVERT_CONVERT_MLP_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {

struct SequentialSplit {
  int64_t num_layers = 0;
  int64_t num_experts = 0;        // E
  int64_t intermediate_size = 0;  // I
};

// Expert e takes the neurons [e * I / E, (e + 1) * I / E) of every layer.
// InvalidArgument where E does not divide I.
absl::StatusOr<checkpoint::NeuronIndices> SplitSequentially(
    const SequentialSplit& split);

struct NeuronUse {
  int64_t num_unused = 0;  // By no expert.
  int64_t num_shared = 0;  // By more than one.
};

// The layer's indices must be valid.
NeuronUse CountUse(const checkpoint::LayerNeuronIndices& layer,
                   int64_t intermediate_size);

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateMlpConversionOptions(const MlpConversionOptions& options);

// Fills in the published settings where num_experts, top_k or scale_factor is
// not set: as many experts as the artifacts have, or 8; 2 of them for a token
// and a factor of 4; beside a residual expert 1 and 1. The artifacts may be
// null.
MlpConversionOptions WithPublishedSettings(
    const MlpConversionOptions& options,
    const checkpoint::GateWeights* gate_weights,
    const checkpoint::NeuronIndices* neuron_indices);

// Null where there is none. The paths are for messages.
struct MlpArtifacts {
  const checkpoint::GateWeights* gate_weights = nullptr;
  std::string gate_weights_path;
  const checkpoint::NeuronIndices* neuron_indices = nullptr;
  std::string neuron_indices_path;
};

struct MlpConversion {
  checkpoint::MoeConfig config;
  WrittenCheckpoint written;
  // Where the routers were drawn; otherwise they were given.
  bool has_random_routers = false;
  // Neurons of all converted layers that no expert has, or more than one.
  int64_t num_unused_neurons = 0;
  int64_t num_shared_neurons = 0;
};

// Writes a checkpoint of `dense` in which the MLP of every layer but the
// contract layers has E = num_experts experts of size S and a router:
//
//   expert e    w1 [S, H] = rows idx_e of gate_proj, w3 [S, H] = rows idx_e of
//               up_proj, w2 [H, S] = columns idx_e of down_proj
//   residual    the same with the residual indices (RESIDUAL only)
//   router      [E, H], in the type of the layer's gate_proj: the first E rows
//               of the gate weights, which are F32, rounded to that type to
//               nearest even; without gate weights as DrawRouter, with the
//               stream "convert_mixtral/layer/L"
//   contract    w1, w3, w2 = gate_proj, up_proj, down_proj, as they are
//
// idx_e are the neuron indices of the expert, in their order; without them,
// VANILLA takes [e * I / E, (e + 1) * I / E). Each neuron is in one expert;
// with share_neurons it may be in several or in none. Every byte of an expert
// is one of the dense model's. With `mlp_bias`, w1 and w3 take their elements
// of the biases; the bias of w2 is the dense one divided by scale_factor in
// every expert (VANILLA), or the dense one in the residual expert and 0 in the
// others. It is the only thing that is computed, and refused unless
// scale_factor is a power of two and the quotients are exact.
//
// Memory: 16 MiB of buffers, at most 64 MiB of gathered columns, and for each
// thread 256 KiB or a row of down_proj, beside the artifacts and the plan: it
// does not grow with an expert.
//
// Bits: the directory is a function of the input's files, the options and the
// artifacts.
//
// InvalidArgument if an option is not valid or contradicts the model, `dense`
// has experts already, an artifact does not fit (with path, layer and place),
// E does not divide I, or RESIDUAL misses an artifact; the errors of
// WriteConversion. All but those of reading and writing come before anything
// is written.
absl::StatusOr<MlpConversion> ConvertMlp(const checkpoint::Checkpoint& dense,
                                         const MlpConversionOptions& options,
                                         const MlpArtifacts& artifacts,
                                         const ConversionOutput& output,
                                         const ConversionResources& resources);

}  // namespace moe::convert

#endif  // MOE_CONVERT_CONVERT_MLP_H_
