#include "moe/align/alignment_report.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "moe/align/align_model.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/json.h"
#include "moe/base/options/options_json.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"

namespace moe {
namespace {

const char* ModeName(const AlignOptions& options) {
  return options.alignment_mode() == AlignOptions::PUBLISHED ? "published"
                                                             : "exact";
}

const char* PartsName(const AlignOptions& options) {
  return options.alignment_parts() == AlignOptions::MAGNITUDE ? "magnitude"
                                                              : "full";
}

struct FactorSummary {
  float least_scale = 0.0f;
  float largest_scale = 0.0f;
  float largest_abs_bias = 0.0f;
};

FactorSummary SummaryOf(const Alignment& alignment, const AlignedBlock& block) {
  const LayerParts<ScaleFactor>& layer =
      alignment.factors.layers.at(block.layer);
  const ScaleFactor& factor = block.part == "attn" ? *layer.attn : *layer.mlp;
  const std::vector<float>& scale = factor.scale_magnitude;
  const auto [least, largest] = std::minmax_element(scale.begin(), scale.end());
  FactorSummary summary = {*least, *largest, 0.0f};
  for (const float bias : factor.scale_bias) {
    summary.largest_abs_bias =
        std::max(summary.largest_abs_bias, std::fabs(bias));
  }
  return summary;
}

Json NumberOrNull(const std::optional<double>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

std::string NumberOrNone(const std::optional<double>& value) {
  return value.has_value() ? absl::StrFormat("%.4g", *value) : "none";
}

}  // namespace

Json AlignmentReportToJson(const Alignment& alignment,
                           const AlignOptions& options) {
  Json json = OptionsToJson(options, {"realign"});
  json["blocks"] = Json::array();
  for (const AlignedBlock& block : alignment.blocks) {
    const FactorSummary summary = SummaryOf(alignment, block);
    json["blocks"].push_back(
        {{"layer", block.layer},
         {"part", block.part},
         {"divergence_before", NumberOrNull(block.divergence_before)},
         {"divergence_after", NumberOrNull(block.divergence_after)},
         {"num_dead_features", block.num_dead},
         {"num_features_without_root", block.num_without_root},
         {"least_scale", summary.least_scale},
         {"largest_scale", summary.largest_scale},
         {"largest_abs_bias", summary.largest_abs_bias}});
  }
  return json;
}

std::string FormatAlignmentReport(const Alignment& alignment,
                                  const AlignOptions& options) {
  std::string text = absl::StrFormat("  %-34s %s, %s\n", "alignment",
                                     ModeName(options), PartsName(options));
  absl::StrAppendFormat(&text, "  %5s  %4s  %17s  %16s  %4s  %7s  %17s  %14s\n",
                        "layer", "part", "divergence before", "after", "dead",
                        "no root", "scale", "largest |bias|");
  for (const AlignedBlock& block : alignment.blocks) {
    const FactorSummary summary = SummaryOf(alignment, block);
    absl::StrAppendFormat(
        &text, "  %5d  %4s  %17s  %16s  %4d  %7d  %17s  %14.4g\n", block.layer,
        block.part, NumberOrNone(block.divergence_before),
        NumberOrNone(block.divergence_after), block.num_dead,
        block.num_without_root,
        absl::StrFormat("%.3g..%.3g", summary.least_scale,
                        summary.largest_scale),
        summary.largest_abs_bias);
  }
  return text;
}

}  // namespace moe
