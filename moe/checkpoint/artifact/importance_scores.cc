#include "moe/checkpoint/artifact/importance_scores.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

constexpr absl::string_view kTokenCount = "token_count";

absl::StatusOr<LayerImportanceScores> TakeScores(TensorTaker& taker,
                                                 int64_t index) {
  LayerImportanceScores layer;
  MOE_ASSIGN_OR_RETURN(layer.scores,
                       taker.Take(LayerTensorName(index), ReadMatrix<float>));
  const std::string count_name = LayerTensorName(index, kTokenCount);
  if (taker.Has(count_name)) {
    MOE_ASSIGN_OR_RETURN(layer.token_count,
                         taker.Take(count_name, ReadVector<int64_t>));
  }
  return layer;
}

absl::StatusOr<LayerImportanceScores> ScoresAt(const PtCursor& at) {
  MOE_ASSIGN_OR_RETURN(const std::vector<PtCursor> clusters,
                       at.Numbered("clusters"));
  LayerImportanceScores layer;
  for (size_t c = 0; c < clusters.size(); ++c) {
    MOE_ASSIGN_OR_RETURN(const std::vector<float> row,
                         VectorAt<float>(clusters[c]));
    const int64_t size = static_cast<int64_t>(row.size());
    if (c == 0) {
      layer.scores =
          base::Matrix<float>(static_cast<int64_t>(clusters.size()), size);
    }
    if (size != layer.scores.cols()) {
      return clusters[c].Error(absl::StrCat("expected ", layer.scores.cols(),
                                            " scores, as before, found ",
                                            size));
    }
    std::copy(row.begin(), row.end(),
              layer.scores.Row(static_cast<int64_t>(c)).begin());
  }
  return layer;
}

absl::Status ValidateLayer(const LayerImportanceScores& layer,
                           const ImportanceScoresShape& want, int64_t index) {
  const std::string name = LayerTensorName(index);
  MOE_RETURN_IF_ERROR(
      CheckEqual(layer.scores.rows(), want.num_clusters, name, "num_clusters"));
  MOE_RETURN_IF_ERROR(CheckEqual(layer.scores.cols(), want.intermediate_size,
                                 name, "intermediate_size"));
  MOE_RETURN_IF_ERROR(
      CheckFinite(layer.scores.values(), name, layer.scores.cols()));
  if (!layer.token_count.has_value()) return absl::OkStatus();
  const std::string count_name = LayerTensorName(index, kTokenCount);
  MOE_RETURN_IF_ERROR(
      CheckEqual(static_cast<int64_t>(layer.token_count->size()),
                 want.num_clusters, count_name, "num_clusters"));
  return CheckNotNegative(*layer.token_count, count_name);
}

}  // namespace

HostTensors ImportanceScores::ToTensors() const {
  HostTensors tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerImportanceScores& layer = layers[i];
    const int64_t index = static_cast<int64_t>(i);
    tensors[LayerTensorName(index)] = ToTensor(layer.scores);
    if (!layer.token_count.has_value()) continue;
    tensors[LayerTensorName(index, kTokenCount)] = ToTensor(*layer.token_count);
  }
  return tensors;
}

absl::StatusOr<ImportanceScores> ImportanceScores::FromTensors(
    const HostTensors& tensors) {
  ImportanceScores scores;
  MOE_ASSIGN_OR_RETURN(scores.layers,
                       TakeLayers<LayerImportanceScores>(tensors, TakeScores));
  return scores;
}

PtValue ImportanceScores::ToPt() const {
  PtDict dict;
  for (size_t i = 0; i < layers.size(); ++i) {
    const base::Matrix<float>& scores = layers[i].scores;
    PtDict clusters;
    for (int64_t c = 0; c < scores.rows(); ++c) {
      clusters.Add(c, {FloatTensor(scores.Row(c), {scores.cols()})});
    }
    dict.Add(static_cast<int64_t>(i), {std::move(clusters)});
  }
  return {std::move(dict)};
}

absl::StatusOr<ImportanceScores> ImportanceScores::FromPt(
    const PtValue& value) {
  ImportanceScores scores;
  MOE_ASSIGN_OR_RETURN(scores.layers,
                       LayersAt<LayerImportanceScores>(value, ScoresAt));
  return scores;
}

absl::Status ValidateImportanceScores(const ImportanceScores& scores,
                                      const ImportanceScoresShape& want,
                                      absl::string_view where) {
  return CheckLayers<LayerImportanceScores>(
      scores.layers, want.num_layers, where,
      [&](const LayerImportanceScores& layer, int64_t i) {
        return ValidateLayer(layer, want, i);
      });
}

}  // namespace moe::checkpoint
