#include "moe/evaluate/expert_load.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/walk_tap.h"

namespace moe {
namespace {

void AppendLine(int64_t layer, absl::string_view block,
                const std::vector<int64_t>& load, std::string& text) {
  if (load.empty()) return;
  const auto sum = std::accumulate(load.begin(), load.end(), int64_t{0});
  const double mean =
      static_cast<double>(sum) / static_cast<double>(load.size());
  const auto largest =
      static_cast<double>(*std::max_element(load.begin(), load.end()));
  absl::StrAppendFormat(&text,
                        "    layer %2d %-9s  %s  (largest %.2f of the mean)\n",
                        layer, block, absl::StrJoin(load, " "), largest / mean);
}

}  // namespace

absl::Status ExpertLoadTap::OnRouting(
    const TapContext& context, DecoderBlock block,
    const std::vector<ExpertTokens>& experts) {
  if (loads_.empty() || loads_.back().layer != context.layer) {
    loads_.push_back({context.layer, {}, {}});
  }
  std::vector<int64_t>& load =
      block == DecoderBlock::kMlp ? loads_.back().mlp : loads_.back().attention;
  load.resize(experts.size());
  for (size_t e = 0; e < experts.size(); ++e) {
    load[e] += static_cast<int64_t>(experts[e].rows.size());
  }
  return absl::OkStatus();
}

Json ExpertLoadToJson(const std::vector<ExpertLoad>& loads) {
  Json json = Json::array();
  for (const ExpertLoad& load : loads) {
    Json layer = Json::object();
    layer["layer"] = load.layer;
    if (!load.mlp.empty()) layer["mlp"] = load.mlp;
    if (!load.attention.empty()) layer["attention"] = load.attention;
    json.push_back(layer);
  }
  return json;
}

std::string FormatExpertLoad(const std::vector<ExpertLoad>& loads) {
  std::string text;
  for (const ExpertLoad& load : loads) {
    AppendLine(load.layer, "attention", load.attention, text);
    AppendLine(load.layer, "MLP", load.mlp, text);
  }
  return text.empty() ? text : "  expert load, tokens\n" + text;
}

}  // namespace moe
