#include "moe/split/importance_report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/split/importance_sums.h"

namespace moe {
namespace {

std::vector<int64_t> EmptyClusters(const std::vector<int64_t>& counts) {
  std::vector<int64_t> empty;
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) empty.push_back(static_cast<int64_t>(c));
  }
  return empty;
}

double MeanScore(const LayerImportanceScores& layer) {
  const absl::Span<const float> values = layer.scores.values();
  return std::accumulate(values.begin(), values.end(), 0.0) /
         static_cast<double>(std::max<size_t>(1, values.size()));
}

float MaxScore(const LayerImportanceScores& layer) {
  const absl::Span<const float> values = layer.scores.values();
  return values.empty() ? 0.0f
                        : *std::max_element(values.begin(), values.end());
}

}  // namespace

Json ImportanceReportToJson(const ImportanceSums& sums,
                            const ImportanceScores& scores) {
  Json json = Json::object();
  json["num_clusters"] = sums.shape().num_clusters;
  json["loss"] = sums.MeanLoss();
  json["num_predicted_tokens"] = sums.NumPredictedTokens();
  json["layers"] = Json::array();
  for (size_t i = 0; i < scores.layers.size(); ++i) {
    const LayerImportanceScores& layer = scores.layers[i];
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
                                   const ImportanceScores& scores) {
  std::string text =
      absl::StrFormat("  %-34s %.6f\n  %-34s %d\n", "loss", sums.MeanLoss(),
                      "predicted tokens", sums.NumPredictedTokens());
  absl::StrAppendFormat(&text, "  %5s  %18s  %14s  %12s  %12s\n", "layer",
                        "tokens of clusters", "empty clusters", "mean score",
                        "max score");
  for (size_t i = 0; i < scores.layers.size(); ++i) {
    const LayerImportanceScores& layer = scores.layers[i];
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

}  // namespace moe
