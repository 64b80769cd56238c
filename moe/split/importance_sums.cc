#include "moe/split/importance_sums.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/matrix.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/feature_sums.h"

namespace moe {
namespace {

constexpr char kLossRecord[] = "loss";

Matrix<float> ScoresOf(const CentroidSums& layer) {
  Matrix<float> scores =
      Matrix<float>::Zeros(layer.num_clusters(), layer.num_features());
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

}  // namespace

ImportanceSums::ImportanceSums(const Shape& shape)
    : layers_(static_cast<size_t>(shape.num_layers),
              CentroidSums({.num_clusters = shape.num_clusters,
                            .num_features = shape.intermediate_size,
                            .term = CentroidSums::Term::kAbsolute,
                            .fraction_bits = kScoreFractionBits})),
      loss_({.num_features = 2}) {}

int64_t ImportanceSums::SizeBytes(const Shape& shape) {
  constexpr int64_t kBytesPerSum = 24;  // As CentroidSums says.
  return shape.num_layers * shape.num_clusters * (shape.intermediate_size + 1) *
         kBytesPerSum;
}

ImportanceSums::Shape ImportanceSums::shape() const {
  if (layers_.empty()) return {};
  return {static_cast<int64_t>(layers_.size()), layers_[0].num_clusters(),
          layers_[0].num_features()};
}

absl::Status ImportanceSums::Finish() {
  for (CentroidSums& layer : layers_) MOE_RETURN_IF_ERROR(layer.Finish());
  return loss_.Finish();
}

absl::Status ImportanceSums::Merge(const ImportanceSums& other) {
  if (layers_.size() != other.layers_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sums of ", other.layers_.size(), " layers; those of ",
                     layers_.size(), " layers are wanted"));
  }
  for (size_t i = 0; i < layers_.size(); ++i) {
    MOE_RETURN_IF_ERROR(Annotate(layers_[i].Merge(other.layers_[i]),
                                 LayerTensorName(static_cast<int64_t>(i))));
  }
  return Annotate(loss_.Merge(other.loss_), kLossRecord);
}

ImportanceScores ImportanceSums::Scores() const {
  ImportanceScores scores;
  for (const CentroidSums& layer : layers_) {
    scores.layers.push_back({ScoresOf(layer), layer.Counts()});
  }
  return scores;
}

absl::Status ImportanceSums::CheckLabels() const {
  if (NumPredictedTokens() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "no token predicts a label, so there is no gradient: every sequence has "
      "one token only, or every label is ignored");
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
    records[LayerTensorName(static_cast<int64_t>(i))] = layers_[i].Serialize();
  }
  return records;
}

absl::StatusOr<ImportanceSums> ImportanceSums::FromRecords(
    const Records& records) {
  const auto record_of =
      [&](const std::string& name) -> absl::StatusOr<const std::string*> {
    const auto found = records.find(name);
    if (found != records.end()) return &found->second;
    return absl::InvalidArgumentError(
        absl::StrCat("there are no sums \"", name, "\" among the ",
                     records.size(), " there are"));
  };
  ImportanceSums parsed(Shape{});
  MOE_ASSIGN_OR_RETURN(const std::string* const loss, record_of(kLossRecord));
  absl::StatusOr<FeatureSums> loss_sums = FeatureSums::Parse(*loss);
  MOE_RETURN_IF_ERROR(Annotate(loss_sums.status(), kLossRecord));
  parsed.loss_ = *std::move(loss_sums);
  for (size_t i = 0; i + 1 < records.size(); ++i) {
    const std::string name = LayerTensorName(static_cast<int64_t>(i));
    MOE_ASSIGN_OR_RETURN(const std::string* const record, record_of(name));
    absl::StatusOr<CentroidSums> layer = CentroidSums::Parse(*record);
    MOE_RETURN_IF_ERROR(Annotate(layer.status(), name));
    if (layer->num_tokens() != parsed.num_tokens()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " has the sums of ", layer->num_tokens(),
          " tokens, and the loss is that of ", parsed.num_tokens()));
    }
    parsed.layers_.push_back(*std::move(layer));
  }
  const Shape shape = parsed.shape();
  if (shape.num_clusters < 1 || shape.intermediate_size < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sums of ", shape.num_layers, " layers, ", shape.num_clusters,
        " clusters and ", shape.intermediate_size,
        " neurons; wanted is one of each at least"));
  }
  // Sums of another kind or shape do not merge.
  ImportanceSums sums(shape);
  MOE_RETURN_IF_ERROR(sums.Merge(parsed));
  return sums;
}

}  // namespace moe
