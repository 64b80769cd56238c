#include "moe/convert/testing/mlp_case.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert::testing {

checkpoint::NeuronIndices RandomIndices(const MlpCase& c) {
  checkpoint::NeuronIndices indices;
  for (int64_t layer = 0; layer < c.model.num_layers; ++layer) {
    base::RandomStream stream(1, absl::StrCat("indices/", layer));
    std::vector<int64_t> order = Numbers(0, c.model.intermediate_size);
    base::Shuffle(stream, absl::MakeSpan(order));
    checkpoint::LayerNeuronIndices split;
    if (c.residual) {
      split.residual.emplace(order.end() - 4, order.end());
      order.resize(order.size() - 4);
    }
    const int64_t size =
        c.shared ? 5 : static_cast<int64_t>(order.size()) / c.num_experts;
    split.experts = base::Matrix<int64_t>(c.num_experts, size);
    for (int64_t e = 0; e < c.num_experts; ++e) {
      if (c.shared) base::Shuffle(stream, absl::MakeSpan(order));
      std::copy_n(order.begin() + (c.shared ? 0 : e * size), size,
                  split.experts.Row(e).begin());
    }
    indices.layers.push_back(std::move(split));
  }
  return indices;
}

checkpoint::GateWeights RandomGates(const MlpCase& c, int64_t num_rows) {
  checkpoint::GateWeights gates;
  for (int64_t layer = 0; layer < c.model.num_layers; ++layer) {
    base::RandomStream stream(2, absl::StrCat("gates/", layer));
    base::Matrix<float> weights(num_rows, c.model.hidden_size);
    for (float& w : weights.values()) w = stream.UniformSymmetric(3.0f);
    gates.layers.push_back(std::move(weights));
  }
  return gates;
}

MlpConversionOptions OptionsOf(const MlpCase& c) {
  MlpConversionOptions options;
  options.set_kind(c.residual ? MlpConversionOptions::RESIDUAL
                              : MlpConversionOptions::VANILLA);
  options.set_num_experts(c.num_experts);
  options.set_top_k(std::min<int64_t>(2, c.num_experts));
  options.set_scale_factor(c.scale_factor);
  options.set_num_moe_contract_layers(c.num_contract);
  options.set_seed(5);
  options.set_share_neurons(c.shared);
  return options;
}

MlpArtifacts GivenArtifacts::Artifacts() const {
  MlpArtifacts artifacts;
  if (gates.has_value()) artifacts.gate_weights = &*gates;
  if (indices.has_value()) artifacts.neuron_indices = &*indices;
  artifacts.gate_weights_path = "gates.file";
  artifacts.neuron_indices_path = "indices.file";
  return artifacts;
}

GivenArtifacts GivenOf(const MlpCase& c) {
  GivenArtifacts given;
  if (c.given_indices) given.indices = RandomIndices(c);
  if (c.given_gates) {
    given.gates = RandomGates(c, c.num_experts + (c.residual ? 1 : 0));
  }
  return given;
}

absl::StatusOr<MlpConversion> Convert(const Directories& directories,
                                      const MlpConversionOptions& options,
                                      const MlpArtifacts& artifacts,
                                      int num_threads) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint dense,
                       checkpoint::Checkpoint::Open(directories.from));
  base::ThreadPool pool(num_threads);
  base::Progress progress(base::Progress::Style::kSilent, {});
  return ConvertMlp(dense, options, artifacts, {directories.to},
                    {pool, progress});
}

}  // namespace moe::convert::testing
