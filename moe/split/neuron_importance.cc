#include "moe/split/neuron_importance.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/model/layer/top_expert.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk_back.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/token_losses.h"
#include "moe/model/walk/token_shard.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/split/importance_sums.h"

namespace moe {
namespace {

// So few that their products stay in the cache until they are summed.
constexpr int64_t kRowsAtOnce = 64;

// Adds what a walk back shows of the shard's own tokens to the sums.
class ImportanceTap {
 public:
  // `first_token` is the number of the walk's first token among all.
  ImportanceTap(const GateWeights& gates, const TokenRange& own,
                int64_t first_token, ThreadPool& pool, ImportanceSums& sums)
      : gates_(gates),
        own_(own),
        first_token_(first_token),
        pool_(pool),
        sums_(sums),
        products_(kRowsAtOnce, sums.shape().intermediate_size) {}

  absl::Status Add(const GradientRows& rows) {
    if (rows.layer != layer_) {
      layer_ = rows.layer;
      const Matrix<float>& gate = gates_.layers[static_cast<size_t>(layer_)];
      router_ = PackedMatrix::Pack(gate.view(), pool_);
    }
    const int64_t first = first_token_ + rows.first_token;
    const int64_t end = std::min(first + rows.activation.rows, own_.end);
    for (int64_t t = std::max(first, own_.begin); t < end; t += kRowsAtOnce) {
      MOE_RETURN_IF_ERROR(
          AddTokens(rows, t - first, t, std::min(kRowsAtOnce, end - t)));
    }
    return absl::OkStatus();
  }

 private:
  // The `count` tokens from row `at` on, which is `token` of all.
  absl::Status AddTokens(const GradientRows& rows, int64_t at, int64_t token,
                         int64_t count) {
    const absl::Span<int32_t> clusters =
        absl::MakeSpan(clusters_).first(static_cast<size_t>(count));
    MOE_RETURN_IF_ERROR(TopExperts(rows.mlp_input.Rows(at, at + count), router_,
                                   token, clusters, pool_));
    const MatrixView<float> products = products_.view().Rows(0, count);
    Multiply(rows.d_activation.Rows(at, at + count),
             rows.activation.Rows(at, at + count), products, pool_);
    return sums_.layer(layer_).Add(token, products, clusters, /*weights=*/{},
                                   pool_);
  }

  const GateWeights& gates_;
  const TokenRange own_;
  const int64_t first_token_;
  ThreadPool& pool_;
  ImportanceSums& sums_;
  int64_t layer_ = -1;
  PackedMatrix router_;  // Of layer_.
  Matrix<float> products_;
  std::vector<int32_t> clusters_ = std::vector<int32_t>(kRowsAtOnce);
};

// The losses of tokens from `first_token` on.
absl::Status AddLosses(const TokenSequences& sequences,
                       absl::Span<const float> losses, const TokenRange& own,
                       int64_t first_token, ThreadPool& pool,
                       FeatureSums& sums) {
  const std::vector<int32_t> targets = PredictedLabels(sequences);
  Matrix<float> rows(own.end - own.begin, 2);
  for (int64_t t = own.begin; t < own.end; ++t) {
    const auto at = static_cast<size_t>(t - first_token);
    const absl::Span<float> row = rows.view().Row(t - own.begin);
    row[0] = losses[at];
    row[1] = targets[at] == kIgnoredLabel ? 0.0f : 1.0f;
  }
  return sums.Add(own.begin, rows.view(), pool);
}

absl::StatusOr<ImportanceSums::Shape> ShapeOf(const LlamaConfig& config,
                                              const GateWeights& gates) {
  const int64_t num_clusters =
      gates.layers.empty() ? 0 : gates.layers.front().rows();
  MOE_RETURN_IF_ERROR(ValidateGateWeights(
      gates, {config.num_hidden_layers, num_clusters, config.hidden_size},
      "gate weights"));
  MOE_RETURN_IF_ERROR(Annotate(CheckNumExperts(num_clusters), "gate weights"));
  return ImportanceSums::Shape{config.num_hidden_layers, num_clusters,
                               config.intermediate_size};
}

int64_t MemoryBytes(const ImportanceSums::Shape& shape, int64_t hidden_size) {
  const int64_t num_floats = kRowsAtOnce * shape.intermediate_size +
                             2 * shape.num_clusters * hidden_size;
  return ImportanceSums::SizeBytes(shape) +
         num_floats * static_cast<int64_t>(sizeof(float));
}

}  // namespace

absl::StatusOr<ImportanceSums> SumNeuronImportance(
    DenseModel& model, const ImportanceInputs& inputs,
    const WalkOptions& walk_options, const WalkResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateShardOptions(inputs.shard));
  MOE_ASSIGN_OR_RETURN(const ImportanceSums::Shape shape,
                       ShapeOf(model.config(), inputs.gates));
  // Here, where sequences still have the numbers that the caller knows.
  MOE_RETURN_IF_ERROR(
      CheckSequences(model.config(), inputs.batches.sequences()));
  MOE_ASSIGN_OR_RETURN(
      const MemoryBudget::Reservation memory,
      resources.budget.Reserve(MemoryBytes(shape, model.config().hidden_size),
                               "importance scores"));
  ImportanceSums sums(shape);
  const WeightedSequences all = InCanonicalOrder(WeighByBatch(inputs.batches));
  const absl::Span<const int64_t> offsets = all.sequences.offsets();
  const TokenShard shard = ShardOf(offsets, inputs.shard);
  if (shard.first_sequence == shard.end_sequence) return sums;
  const WeightedSequences own =
      SubRange(all, shard.first_sequence, shard.end_sequence);
  const int64_t first_token =
      offsets[static_cast<size_t>(shard.first_sequence)];
  ImportanceTap tap(inputs.gates, shard.tokens, first_token, resources.pool,
                    sums);
  const auto add = [&](const GradientRows& rows) { return tap.Add(rows); };
  const absl::StatusOr<std::vector<float>> losses =
      WalkBack(model, own, walk_options, add, resources);
  MOE_RETURN_IF_ERROR(Annotate(
      losses.status(),
      absl::StrCat("sequences sorted by their tokens, counted from number ",
                   shard.first_sequence)));
  MOE_RETURN_IF_ERROR(AddLosses(own.sequences, *losses, shard.tokens,
                                first_token, resources.pool, sums.loss()));
  MOE_RETURN_IF_ERROR(sums.Finish());
  return sums;
}

}  // namespace moe
