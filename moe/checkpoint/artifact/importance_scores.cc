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

namespace moe {
namespace {

constexpr absl::string_view kTokenCount = "token_count";

absl::StatusOr<LayerImportanceScores> TakeLayer(TensorTaker& taker,
                                                int64_t index) {
  LayerImportanceScores layer;
  const std::string name = LayerTensorName(index);
  MOE_ASSIGN_OR_RETURN(const HostTensor* scores, taker.Take(name));
  MOE_ASSIGN_OR_RETURN(layer.scores, FloatMatrix(*scores, name));
  const std::string count_name = LayerTensorName(index, kTokenCount);
  if (!taker.Has(count_name)) return layer;
  MOE_ASSIGN_OR_RETURN(const HostTensor* counts, taker.Take(count_name));
  MOE_ASSIGN_OR_RETURN(layer.token_count, IntVector(*counts, count_name));
  return layer;
}

absl::StatusOr<LayerImportanceScores> LayerAt(const PtCursor& at) {
  MOE_ASSIGN_OR_RETURN(const std::vector<PtCursor> clusters,
                       at.Numbered("clusters"));
  LayerImportanceScores layer;
  for (size_t c = 0; c < clusters.size(); ++c) {
    MOE_ASSIGN_OR_RETURN(const std::vector<float> row,
                         FloatVectorAt(clusters[c]));
    const int64_t size = static_cast<int64_t>(row.size());
    if (c == 0) {
      layer.scores = Matrix<float>(static_cast<int64_t>(clusters.size()), size);
    }
    if (size != layer.scores.cols()) {
      return clusters[c].Error(
          absl::StrCat("has ", size, " scores, and the clusters before have ",
                       layer.scores.cols()));
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
      CheckEqual(layer.scores.rows(), want.num_clusters,
                 absl::StrCat(name, ": the number of clusters")));
  MOE_RETURN_IF_ERROR(
      CheckEqual(layer.scores.cols(), want.intermediate_size,
                 absl::StrCat(name, ": the intermediate size")));
  MOE_RETURN_IF_ERROR(
      CheckFinite(layer.scores.values(), name, layer.scores.cols()));
  if (!layer.token_count.has_value()) return absl::OkStatus();
  const std::string count_name = LayerTensorName(index, kTokenCount);
  MOE_RETURN_IF_ERROR(CheckEqual(
      static_cast<int64_t>(layer.token_count->size()), want.num_clusters,
      absl::StrCat(count_name, ": the number of clusters")));
  for (size_t c = 0; c < layer.token_count->size(); ++c) {
    if ((*layer.token_count)[c] >= 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(count_name, "[", c, "] is ", (*layer.token_count)[c],
                     "; a count cannot be negative"));
  }
  return absl::OkStatus();
}

}  // namespace

HostTensors ImportanceScores::ToTensors() const {
  HostTensors tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerImportanceScores& layer = layers[i];
    const int64_t index = static_cast<int64_t>(i);
    tensors[LayerTensorName(index)] = FloatTensor(
        layer.scores.values(), {layer.scores.rows(), layer.scores.cols()});
    if (!layer.token_count.has_value()) continue;
    tensors[LayerTensorName(index, kTokenCount)] = IntTensor(
        *layer.token_count, {static_cast<int64_t>(layer.token_count->size())});
  }
  return tensors;
}

absl::StatusOr<ImportanceScores> ImportanceScores::FromTensors(
    const HostTensors& tensors) {
  TensorTaker taker(tensors);
  ImportanceScores scores;
  MOE_ASSIGN_OR_RETURN(const int64_t num_layers, taker.NumLayers());
  for (int64_t i = 0; i < num_layers; ++i) {
    MOE_ASSIGN_OR_RETURN(LayerImportanceScores layer, TakeLayer(taker, i));
    scores.layers.push_back(std::move(layer));
  }
  MOE_RETURN_IF_ERROR(taker.Finish());
  return scores;
}

PtValue ImportanceScores::ToPt() const {
  PtDict dict;
  for (size_t i = 0; i < layers.size(); ++i) {
    const Matrix<float>& scores = layers[i].scores;
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
  MOE_ASSIGN_OR_RETURN(const std::vector<PtCursor> cursors,
                       PtCursor(value).Numbered("layers"));
  ImportanceScores scores;
  for (const PtCursor& cursor : cursors) {
    MOE_ASSIGN_OR_RETURN(LayerImportanceScores layer, LayerAt(cursor));
    scores.layers.push_back(std::move(layer));
  }
  return scores;
}

absl::Status ValidateImportanceScores(const ImportanceScores& scores,
                                      const ImportanceScoresShape& want,
                                      absl::string_view where) {
  MOE_RETURN_IF_ERROR(
      Annotate(CheckEqual(static_cast<int64_t>(scores.layers.size()),
                          want.num_layers, "the number of layers"),
               where));
  for (int64_t i = 0; i < want.num_layers; ++i) {
    MOE_RETURN_IF_ERROR(Annotate(
        ValidateLayer(scores.layers[static_cast<size_t>(i)], want, i), where));
  }
  return absl::OkStatus();
}

}  // namespace moe
