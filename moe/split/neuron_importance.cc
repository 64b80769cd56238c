#include "moe/split/neuron_importance.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "moe/base/ignored_label.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/feature_sums.h"
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

namespace moe::split {
namespace {

// Few enough that their products stay in the cache until they are summed.
constexpr int64_t kRowsAtOnce = 64;

// Adds the shard's own tokens of a walk back to the sums.
class ImportanceTap {
 public:
  // `first_token` is the number of the walk's first token among all.
  ImportanceTap(const checkpoint::GateWeights& gates,
                const kernels::TokenRange& own, int64_t first_token,
                base::ThreadPool& pool, ImportanceSums& sums)
      : gates_(gates),
        own_(own),
        first_token_(first_token),
        pool_(pool),
        sums_(sums),
        products_(kRowsAtOnce, sums.shape().intermediate_size) {}

  absl::Status Add(const model::GradientRows& rows) {
    if (rows.layer != layer_) {
      layer_ = rows.layer;
      const base::Matrix<float>& gate =
          gates_.layers[static_cast<size_t>(layer_)];
      router_ = kernels::PackedMatrix::Pack(gate.view(), pool_);
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
  // Adds `count` tokens from row `at` on. The first is token `token` of all.
  absl::Status AddTokens(const model::GradientRows& rows, int64_t at,
                         int64_t token, int64_t count) {
    const absl::Span<int32_t> clusters =
        absl::MakeSpan(clusters_).first(static_cast<size_t>(count));
    MOE_RETURN_IF_ERROR(model::TopExperts(rows.mlp_input.Rows(at, at + count),
                                          router_, token, clusters, pool_));
    const base::MatrixView<float> products = products_.view().Rows(0, count);
    kernels::Multiply(rows.d_activation.Rows(at, at + count),
                      rows.activation.Rows(at, at + count), products, pool_);
    return sums_.layer(layer_).Add(token, products, clusters, /*weights=*/{},
                                   pool_);
  }

  const checkpoint::GateWeights& gates_;
  const kernels::TokenRange own_;
  const int64_t first_token_;
  base::ThreadPool& pool_;
  ImportanceSums& sums_;
  int64_t layer_ = -1;
  kernels::PackedMatrix router_;  // That of layer_.
  base::Matrix<float> products_;
  std::vector<int32_t> clusters_ = std::vector<int32_t>(kRowsAtOnce);
};

// Adds the losses of the own tokens. `losses` begins with token `first_token`.
absl::Status AddLosses(const text::TokenSequences& sequences,
                       absl::Span<const float> losses,
                       const kernels::TokenRange& own, int64_t first_token,
                       base::ThreadPool& pool, kernels::FeatureSums& sums) {
  const std::vector<int32_t> targets = model::PredictedLabels(sequences);
  base::Matrix<float> rows(own.end - own.begin, 2);
  for (int64_t t = own.begin; t < own.end; ++t) {
    const auto at = static_cast<size_t>(t - first_token);
    const absl::Span<float> row = rows.view().Row(t - own.begin);
    row[0] = losses[at];
    row[1] = targets[at] == base::kIgnoredLabel ? 0.0f : 1.0f;
  }
  return sums.Add(own.begin, rows.view(), pool);
}

absl::StatusOr<ImportanceSums::Shape> ShapeOf(
    const checkpoint::LlamaConfig& config,
    const checkpoint::GateWeights& gates) {
  const int64_t num_clusters =
      gates.layers.empty() ? 0 : gates.layers.front().rows();
  MOE_RETURN_IF_ERROR(checkpoint::ValidateGateWeights(
      gates, {config.num_hidden_layers, num_clusters, config.hidden_size},
      "gate weights"));
  MOE_RETURN_IF_ERROR(
      base::Annotate(base::CheckNumExperts(num_clusters), "gate weights"));
  return ImportanceSums::Shape{config.num_hidden_layers, num_clusters,
                               config.intermediate_size};
}

int64_t MemoryBytes(const ImportanceSums::Shape& shape, int64_t hidden_size) {
  const int64_t num_floats = kRowsAtOnce * shape.intermediate_size +
                             2 * shape.num_clusters * hidden_size;
  return ImportanceSums::SizeBytes(shape) +
         num_floats * static_cast<int64_t>(sizeof(float));
}

constexpr char kLossRecord[] = "loss";

base::Matrix<float> ScoresOf(const kernels::CentroidSums& layer) {
  base::Matrix<float> scores =
      base::Matrix<float>::Zeros(layer.num_clusters(), layer.num_features());
  const std::vector<double> sums = layer.Sums();
  const std::vector<int64_t> counts = layer.Counts();
  for (int64_t c = 0; c < scores.rows(); ++c) {
    const int64_t count = counts[static_cast<size_t>(c)];
    if (count == 0) continue;
    const double* const row = sums.data() + c * scores.cols();
    float* const out = scores.Row(c).data();
    for (int64_t n = 0; n < scores.cols(); ++n) {
      out[n] = static_cast<float>(row[n] / static_cast<double>(count));
    }
  }
  return scores;
}

std::vector<int64_t> EmptyClusters(const std::vector<int64_t>& counts) {
  std::vector<int64_t> empty;
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) empty.push_back(static_cast<int64_t>(c));
  }
  return empty;
}

double MeanScore(const checkpoint::LayerImportanceScores& layer) {
  const absl::Span<const float> values = layer.scores.values();
  return std::accumulate(values.begin(), values.end(), 0.0) /
         static_cast<double>(std::max<size_t>(1, values.size()));
}

float MaxScore(const checkpoint::LayerImportanceScores& layer) {
  const absl::Span<const float> values = layer.scores.values();
  return values.empty() ? 0.0f
                        : *std::max_element(values.begin(), values.end());
}

}  // namespace

absl::StatusOr<ImportanceSums> SumNeuronImportance(
    model::DenseModel& model, const ImportanceInputs& inputs,
    const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(model::ValidateShardOptions(inputs.shard));
  MOE_ASSIGN_OR_RETURN(const ImportanceSums::Shape shape,
                       ShapeOf(model.config(), inputs.gates));
  // Before sorting, so that messages have the caller's sequence numbers.
  MOE_RETURN_IF_ERROR(
      model::CheckSequences(model.config(), inputs.batches.sequences()));
  MOE_ASSIGN_OR_RETURN(
      const base::MemoryBudget::Reservation memory,
      resources.budget.Reserve(MemoryBytes(shape, model.config().hidden_size),
                               "importance scores"));
  ImportanceSums sums(shape);
  const model::WeightedSequences all =
      model::InCanonicalOrder(model::WeighByBatch(inputs.batches));
  const absl::Span<const int64_t> offsets = all.sequences.offsets();
  const model::TokenShard shard = model::ShardOf(offsets, inputs.shard);
  if (shard.first_sequence == shard.end_sequence) return sums;
  const model::WeightedSequences own =
      model::SubRange(all, shard.first_sequence, shard.end_sequence);
  const int64_t first_token =
      offsets[static_cast<size_t>(shard.first_sequence)];
  ImportanceTap tap(inputs.gates, shard.tokens, first_token, resources.pool,
                    sums);
  const auto add = [&](const model::GradientRows& rows) {
    return tap.Add(rows);
  };
  const absl::StatusOr<std::vector<float>> losses =
      model::WalkBack(model, own, walk_options, add, resources);
  MOE_RETURN_IF_ERROR(base::Annotate(
      losses.status(),
      absl::StrCat("sequences sorted by their tokens, counted from number ",
                   shard.first_sequence)));
  MOE_RETURN_IF_ERROR(AddLosses(own.sequences, *losses, shard.tokens,
                                first_token, resources.pool, sums.loss()));
  MOE_RETURN_IF_ERROR(sums.Finish());
  return sums;
}

ImportanceSums::ImportanceSums(const Shape& shape)
    : layers_(static_cast<size_t>(shape.num_layers),
              kernels::CentroidSums(
                  {.num_clusters = shape.num_clusters,
                   .num_features = shape.intermediate_size,
                   .term = kernels::CentroidSums::Term::kAbsolute,
                   .fraction_bits = kernels::kScoreFractionBits})),
      loss_({.num_features = 2}) {}

int64_t ImportanceSums::SizeBytes(const Shape& shape) {
  constexpr int64_t kBytesPerSum = 24;  // See CentroidSums.
  return shape.num_layers * shape.num_clusters * (shape.intermediate_size + 1) *
         kBytesPerSum;
}

ImportanceSums::Shape ImportanceSums::shape() const {
  if (layers_.empty()) return {};
  return {static_cast<int64_t>(layers_.size()), layers_[0].num_clusters(),
          layers_[0].num_features()};
}

absl::Status ImportanceSums::Finish() {
  for (kernels::CentroidSums& layer : layers_)
    MOE_RETURN_IF_ERROR(layer.Finish());
  return loss_.Finish();
}

absl::Status ImportanceSums::Merge(const ImportanceSums& other) {
  if (layers_.size() != other.layers_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sums: expected ", layers_.size(), " layers, found ",
                     other.layers_.size()));
  }
  for (size_t i = 0; i < layers_.size(); ++i) {
    MOE_RETURN_IF_ERROR(
        base::Annotate(layers_[i].Merge(other.layers_[i]),
                       checkpoint::LayerTensorName(static_cast<int64_t>(i))));
  }
  return base::Annotate(loss_.Merge(other.loss_), kLossRecord);
}

checkpoint::ImportanceScores ImportanceSums::Scores() const {
  checkpoint::ImportanceScores scores;
  for (const kernels::CentroidSums& layer : layers_) {
    scores.layers.push_back({ScoresOf(layer), layer.Counts()});
  }
  return scores;
}

absl::Status ImportanceSums::CheckLabels() const {
  if (NumPredictedTokens() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "labels: expected at least one token that predicts a label, found none; "
      "use sequences of two tokens or more whose labels are not all ignored");
}

double ImportanceSums::MeanLoss() const {
  const std::vector<double> sums = loss_.Sums();
  return sums[1] == 0.0 ? 0.0 : sums[0] / sums[1];
}

int64_t ImportanceSums::NumPredictedTokens() const {
  return static_cast<int64_t>(loss_.Sums()[1]);
}

ImportanceSums::Records ImportanceSums::ToRecords() const {
  Records records;
  records[kLossRecord] = loss_.Serialize();
  for (size_t i = 0; i < layers_.size(); ++i) {
    records[checkpoint::LayerTensorName(static_cast<int64_t>(i))] =
        layers_[i].Serialize();
  }
  return records;
}

absl::StatusOr<ImportanceSums> ImportanceSums::FromRecords(
    const Records& records) {
  const auto record_of =
      [&](const std::string& name) -> absl::StatusOr<const std::string*> {
    const auto found = records.find(name);
    if (found != records.end()) return &found->second;
    return absl::InvalidArgumentError(absl::StrCat("sums: expected \"", name,
                                                   "\", found ", records.size(),
                                                   " other records"));
  };
  ImportanceSums parsed(Shape{});
  MOE_ASSIGN_OR_RETURN(const std::string* const loss, record_of(kLossRecord));
  absl::StatusOr<kernels::FeatureSums> loss_sums =
      kernels::FeatureSums::Parse(*loss);
  MOE_RETURN_IF_ERROR(base::Annotate(loss_sums.status(), kLossRecord));
  parsed.loss_ = *std::move(loss_sums);
  for (size_t i = 0; i + 1 < records.size(); ++i) {
    const std::string name =
        checkpoint::LayerTensorName(static_cast<int64_t>(i));
    MOE_ASSIGN_OR_RETURN(const std::string* const record, record_of(name));
    absl::StatusOr<kernels::CentroidSums> layer =
        kernels::CentroidSums::Parse(*record);
    MOE_RETURN_IF_ERROR(base::Annotate(layer.status(), name));
    if (layer->num_tokens() != parsed.num_tokens()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, ": expected sums of ", parsed.num_tokens(),
          " tokens, as the loss has, found ", layer->num_tokens()));
    }
    parsed.layers_.push_back(*std::move(layer));
  }
  const Shape shape = parsed.shape();
  if (shape.num_clusters < 1 || shape.intermediate_size < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sums: expected at least 1 layer, cluster and neuron, found ",
        shape.num_layers, " layers, ", shape.num_clusters, " clusters and ",
        shape.intermediate_size, " neurons"));
  }
  // Merge refuses sums of another kind or shape.
  ImportanceSums sums(shape);
  MOE_RETURN_IF_ERROR(sums.Merge(parsed));
  return sums;
}

base::Json ImportanceReportToJson(const ImportanceSums& sums,
                                  const checkpoint::ImportanceScores& scores) {
  base::Json json = base::Json::object();
  json["num_clusters"] = sums.shape().num_clusters;
  json["loss"] = sums.MeanLoss();
  json["num_predicted_tokens"] = sums.NumPredictedTokens();
  json["layers"] = base::Json::array();
  for (size_t i = 0; i < scores.layers.size(); ++i) {
    const checkpoint::LayerImportanceScores& layer = scores.layers[i];
    json["layers"].push_back(
        {{"layer", i},
         {"token_counts", *layer.token_count},
         {"empty_clusters", EmptyClusters(*layer.token_count)},
         {"mean_score", MeanScore(layer)},
         {"max_score", MaxScore(layer)}});
  }
  return json;
}

std::string FormatImportanceReport(const ImportanceSums& sums,
                                   const checkpoint::ImportanceScores& scores) {
  std::string text =
      absl::StrFormat("  %-34s %.6f\n  %-34s %d\n", "loss", sums.MeanLoss(),
                      "predicted tokens", sums.NumPredictedTokens());
  absl::StrAppendFormat(&text, "  %5s  %18s  %14s  %12s  %12s\n", "layer",
                        "tokens of clusters", "empty clusters", "mean score",
                        "max score");
  for (size_t i = 0; i < scores.layers.size(); ++i) {
    const checkpoint::LayerImportanceScores& layer = scores.layers[i];
    const std::vector<int64_t>& counts = *layer.token_count;
    const auto [least, most] =
        std::minmax_element(counts.begin(), counts.end());
    absl::StrAppendFormat(&text, "  %5d  %18s  %14d  %12.4g  %12.4g\n", i,
                          absl::StrCat(*least, "..", *most),
                          EmptyClusters(counts).size(), MeanScore(layer),
                          MaxScore(layer));
  }
  return text;
}

}  // namespace moe::split
