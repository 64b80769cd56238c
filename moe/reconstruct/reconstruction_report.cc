#include "moe/reconstruct/reconstruction_report.h"

#include <string>

#include "absl/strings/str_format.h"
#include "moe/base/json.h"
#include "moe/base/options/options_json.h"
#include "moe/reconstruct/reconstruct_model.h"
#include "moe/reconstruct/reconstruct_options.pb.h"
#include "moe/reconstruct/routed_energy.h"
#include "moe/reconstruct/split_report.h"

namespace moe::reconstruct {

namespace {

struct EnergyShares {
  double shared = 0.0;
  double captured = 0.0;
  double oracle = 0.0;
};

EnergyShares SharesOf(const RoutedEnergy& energy) {
  return {ShareOf(energy.shared, energy.shared + energy.routed),
          ShareOf(energy.captured, energy.routed),
          ShareOf(energy.oracle, energy.routed)};
}

base::Json BlockToJson(const RefittedBlock& block) {
  base::Json json = {{"layer", block.layer},
                     {"part", block.part},
                     {"num_features", block.num_features},
                     {"error_before", block.error_before},
                     {"error_after", block.error_after},
                     {"lambda", block.lambda},
                     {"pivot_ratio", block.pivot_ratio}};
  if (block.energy.has_value()) {
    const EnergyShares shares = SharesOf(*block.energy);
    json["shared_share"] = shares.shared;
    json["captured_share"] = shares.captured;
    json["oracle_share"] = shares.oracle;
  }
  return json;
}

}  // namespace

base::Json ReconstructionToJson(const Reconstruction& reconstruction,
                                const ReconstructOptions& options) {
  base::Json json = base::OptionsToJson(options);
  json["blocks"] = base::Json::array();
  for (const RefittedBlock& block : reconstruction.blocks) {
    json["blocks"].push_back(BlockToJson(block));
  }
  return json;
}

std::string FormatReconstruction(const Reconstruction& reconstruction) {
  std::string text = absl::StrFormat(
      "  %5s  %9s  %8s  %12s  %11s  %13s  %8s  %6s  %9s  %11s\n", "layer",
      "part", "features", "error before", "error after", "shared energy",
      "captured", "oracle", "lambda", "pivot ratio");
  for (const RefittedBlock& block : reconstruction.blocks) {
    std::string shared = "-", captured = "-", oracle = "-";
    if (block.energy.has_value()) {
      const EnergyShares shares = SharesOf(*block.energy);
      shared = absl::StrFormat("%.4f", shares.shared);
      captured = absl::StrFormat("%.4f", shares.captured);
      oracle = absl::StrFormat("%.4f", shares.oracle);
    }
    absl::StrAppendFormat(
        &text,
        "  %5d  %9s  %8d  %12.4f  %11.4f  %13s  %8s  %6s  %9.3g  %11.3g\n",
        block.layer, block.part, block.num_features, block.error_before,
        block.error_after, shared, captured, oracle, block.lambda,
        block.pivot_ratio);
  }
  return text;
}

}  // namespace moe::reconstruct
