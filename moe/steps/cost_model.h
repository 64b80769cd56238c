// Estimates what the steps of an experiment cost, before any is run.

#ifndef MOE_STEPS_COST_MODEL_H_
#define MOE_STEPS_COST_MODEL_H_

#include <cstdint>
#include <map>
#include <string>

#include "moe/checkpoint/llama_config.h"

namespace moe::steps {

struct StepCost {
  std::string name;
  // Floating-point operations, a multiply-add counted as two.
  double flops = 0.0;
  // From files, and to what the step makes, which is what it takes on disk.
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
  // At the peak, where no memory budget makes it less.
  int64_t memory_bytes = 0;
};

// The size of the dense model, from which costs follow.
struct ModelSize {
  checkpoint::LlamaConfig config;
  int64_t stored_bytes = 0;  // The size of all weights.
};
struct DatasetSize {
  int64_t num_tokens = 0;
  int64_t sum_squared_lengths = 0;  // Over the sequences.
};

// The share of a dense model's weights that a token goes through.
struct ActiveShare {
  double mlp = 1.0;
  double attention = 1.0;
};

// The parts of a step's cost, and what earlier steps tell about later ones.
//
// With T tokens, S the sum of the sequences' squared lengths, L layers, H
// hidden_size, Q the width of all queries, V vocab_size and P the weights of a
// layer, of which a token goes through the share a of its experts:
//   forward  2 T L P a + 2 L Q S
//   head     2 T V H
// A walk reads every weight once, and holds two layers' weights as floats and
// two hidden states. Splits and conversions compute next to nothing. The
// constant parts of memory (code, buffers) are left out.
class CostModel {
 public:
  CostModel(const ModelSize& model,
            const std::map<std::string, DatasetSize>& datasets)
      : model_(model), datasets_(datasets) {}

  // The step that is estimated.
  StepCost& step() { return step_; }
  // The share of a step, by its name; the dense model has the empty name.
  ActiveShare& share(const std::string& name) { return shares_[name]; }
  // The clusters of the router weights or the scores that a step made.
  int64_t& num_clusters(const std::string& name) { return num_clusters_[name]; }
  // The residual expert of the neurons that a step made, in routed experts.
  double& num_residual(const std::string& name) { return num_residual_[name]; }

  const checkpoint::LlamaConfig& config() const { return model_.config; }
  double num_tokens(const std::string& dataset) const;
  double HeadFlops(const std::string& dataset) const;
  int64_t HiddenBytes(const std::string& dataset) const;
  int64_t GateBytes(int64_t num_experts) const;
  int64_t ScoreBytes(int64_t num_clusters) const;
  int64_t IndexBytes() const;
  int64_t DistributionBytes() const;
  int64_t ScaleFactorBytes() const;

  // Adds a walk over the dataset to the step.
  void Walk(const std::string& dataset, const ActiveShare& share);
  // Adds reading all weights and writing them again.
  void Convert();
  void Writes(int64_t bytes) { step_.written_bytes += bytes; }

  // `share` in the layers with experts, and 1 in the others.
  double Mixed(double share, int64_t num_contract_layers) const;

 private:
  double ForwardFlops(const std::string& dataset,
                      const ActiveShare& share) const;
  double MlpWeights() const;
  double AttentionWeights() const;

  const ModelSize& model_;
  const std::map<std::string, DatasetSize>& datasets_;
  std::map<std::string, ActiveShare> shares_;
  std::map<std::string, int64_t> num_clusters_;
  std::map<std::string, double> num_residual_;
  StepCost step_;
};

}  // namespace moe::steps

#endif  // MOE_STEPS_COST_MODEL_H_
