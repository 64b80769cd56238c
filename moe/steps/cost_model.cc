#include "moe/steps/cost_model.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace moe::steps {
namespace {

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));
constexpr auto kDoubleBytes = static_cast<int64_t>(sizeof(double));
constexpr auto kIndexBytes = static_cast<int64_t>(sizeof(int64_t));

}  // namespace

double CostModel::num_tokens(const std::string& dataset) const {
  return static_cast<double>(datasets_.at(dataset).num_tokens);
}

double CostModel::MlpWeights() const {
  return 3.0 * static_cast<double>(config().hidden_size) *
         static_cast<double>(config().intermediate_size);
}

// The weights of queries, keys, values and outputs.
double CostModel::AttentionWeights() const {
  return 2.0 * static_cast<double>(config().hidden_size) *
         static_cast<double>(config().QuerySize() + config().KeyValueSize());
}

double CostModel::ForwardFlops(const std::string& dataset,
                               const ActiveShare& share) const {
  const auto layers = static_cast<double>(config().num_hidden_layers);
  const double weights =
      MlpWeights() * share.mlp + AttentionWeights() * share.attention;
  return 2.0 * num_tokens(dataset) * layers * weights +
         2.0 * layers * static_cast<double>(config().QuerySize()) *
             static_cast<double>(datasets_.at(dataset).sum_squared_lengths);
}

double CostModel::HeadFlops(const std::string& dataset) const {
  return 2.0 * num_tokens(dataset) * static_cast<double>(config().vocab_size) *
         static_cast<double>(config().hidden_size);
}

int64_t CostModel::HiddenBytes(const std::string& dataset) const {
  return datasets_.at(dataset).num_tokens * config().hidden_size * kFloatBytes;
}

int64_t CostModel::GateBytes(int64_t num_experts) const {
  return config().num_hidden_layers * num_experts * config().hidden_size *
         kFloatBytes;
}

int64_t CostModel::ScoreBytes(int64_t num_clusters) const {
  return config().num_hidden_layers * num_clusters *
         (config().intermediate_size * kFloatBytes + kIndexBytes);
}

int64_t CostModel::IndexBytes() const {
  return config().num_hidden_layers * config().intermediate_size * kIndexBytes;
}

// Two numbers of each feature of each block, and the tokens of a block.
int64_t CostModel::DistributionBytes() const {
  return config().num_hidden_layers * 2 *
         (2 * config().hidden_size * kDoubleBytes + kIndexBytes);
}

int64_t CostModel::ScaleFactorBytes() const {
  return config().num_hidden_layers * 2 * 2 * config().hidden_size *
         kFloatBytes;
}

void CostModel::Walk(const std::string& dataset, const ActiveShare& share) {
  step_.flops += ForwardFlops(dataset, share);
  step_.read_bytes += model_.stored_bytes;
  const auto layer_bytes = static_cast<int64_t>(
      (MlpWeights() + AttentionWeights()) * static_cast<double>(kFloatBytes));
  step_.memory_bytes += 2 * layer_bytes + 2 * HiddenBytes(dataset);
}

void CostModel::Convert() {
  step_.read_bytes += model_.stored_bytes;
  Writes(model_.stored_bytes);
}

double CostModel::Mixed(double share, int64_t num_contract_layers) const {
  const double dense =
      std::min(1.0, 2.0 * static_cast<double>(num_contract_layers) /
                        static_cast<double>(config().num_hidden_layers));
  return dense + (1.0 - dense) * share;
}

}  // namespace moe::steps
