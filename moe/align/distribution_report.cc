#include "moe/align/distribution_report.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "moe/align/block_alignment.h"
#include "moe/base/json.h"
#include "moe/checkpoint/artifact/distribution.h"

namespace moe {
namespace {

struct BlockSummary {
  size_t layer = 0;
  std::string part;
  int64_t num_tokens = 0;
  double largest_abs_mean = 0.0;
  double least_variance = 0.0;
  double largest_variance = 0.0;
  int64_t num_dead = 0;
};

std::vector<BlockSummary> Summarize(const Distribution& distribution) {
  std::vector<BlockSummary> blocks;
  for (size_t i = 0; i < distribution.layers.size(); ++i) {
    for (const auto& [part, moments] : distribution.layers[i].Named()) {
      if (!moments->has_value() || (*moments)->variance.empty()) continue;
      const std::vector<double>& variance = (*moments)->variance;
      const auto [least, largest] =
          std::minmax_element(variance.begin(), variance.end());
      const std::vector<bool> dead = DeadFeatures(variance);
      BlockSummary block = {i,
                            std::string(part),
                            (*moments)->number,
                            0.0,
                            *least,
                            *largest,
                            std::count(dead.begin(), dead.end(), true)};
      for (const double mean : (*moments)->mean) {
        block.largest_abs_mean =
            std::max(block.largest_abs_mean, std::fabs(mean));
      }
      blocks.push_back(std::move(block));
    }
  }
  return blocks;
}

size_t HiddenSize(const Distribution& distribution) {
  for (const auto& layer : distribution.layers) {
    for (const auto& [part, moments] : layer.Named()) {
      if (moments->has_value()) return (*moments)->mean.size();
    }
  }
  return 0;
}

}  // namespace

Json DistributionReportToJson(const Distribution& distribution) {
  Json json = Json::object();
  json["hidden_size"] = HiddenSize(distribution);
  json["blocks"] = Json::array();
  for (const BlockSummary& block : Summarize(distribution)) {
    json["blocks"].push_back({{"layer", block.layer},
                              {"part", block.part},
                              {"num_tokens", block.num_tokens},
                              {"largest_abs_mean", block.largest_abs_mean},
                              {"least_variance", block.least_variance},
                              {"largest_variance", block.largest_variance},
                              {"num_dead_features", block.num_dead}});
  }
  return json;
}

std::string FormatDistributionReport(const Distribution& distribution) {
  std::string text = absl::StrFormat(
      "  %5s  %4s  %14s  %14s  %16s  %13s\n", "layer", "part", "largest |mean|",
      "least variance", "largest variance", "dead features");
  for (const BlockSummary& block : Summarize(distribution)) {
    absl::StrAppendFormat(&text, "  %5d  %4s  %14.4g  %14.4g  %16.4g  %13d\n",
                          block.layer, block.part, block.largest_abs_mean,
                          block.least_variance, block.largest_variance,
                          block.num_dead);
  }
  return text;
}

}  // namespace moe
