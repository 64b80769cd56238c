#include "moe/reconstruct/reconstruction_report.h"

#include <string>

#include "absl/strings/str_format.h"
#include "moe/base/json.h"
#include "moe/base/options/options_json.h"
#include "moe/reconstruct/reconstruct_model.h"
#include "moe/reconstruct/reconstruct_options.pb.h"

namespace moe {

Json ReconstructionToJson(const Reconstruction& reconstruction,
                          const ReconstructOptions& options) {
  Json json = OptionsToJson(options);
  json["blocks"] = Json::array();
  for (const RefittedBlock& block : reconstruction.blocks) {
    json["blocks"].push_back({{"layer", block.layer},
                              {"part", block.part},
                              {"num_features", block.num_features},
                              {"error_before", block.error_before},
                              {"error_after", block.error_after},
                              {"lambda", block.lambda},
                              {"pivot_ratio", block.pivot_ratio}});
  }
  return json;
}

std::string FormatReconstruction(const Reconstruction& reconstruction) {
  std::string text = absl::StrFormat(
      "  %5s  %9s  %8s  %12s  %11s  %9s  %11s\n", "layer", "part", "features",
      "error before", "error after", "lambda", "pivot ratio");
  for (const RefittedBlock& block : reconstruction.blocks) {
    absl::StrAppendFormat(
        &text, "  %5d  %9s  %8d  %12.4f  %11.4f  %9.3g  %11.3g\n", block.layer,
        block.part, block.num_features, block.error_before, block.error_after,
        block.lambda, block.pivot_ratio);
  }
  return text;
}

}  // namespace moe
