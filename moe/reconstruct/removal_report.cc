#include "moe/reconstruct/removal_report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "moe/base/json.h"
#include "moe/base/options/options_json.h"
#include "moe/reconstruct/neuron_removal.h"
#include "moe/reconstruct/neuron_removal_options.pb.h"
#include "moe/reconstruct/split_report.h"

namespace moe::reconstruct {
namespace {

// The energies of a layer, by that of all its neurons.
KeptEnergy SharesOf(const KeptEnergy& energy) {
  const double all = energy.kept + energy.removed;
  return {ShareOf(energy.kept, all), ShareOf(energy.removed, all),
          ShareOf(energy.least_kept, all), ShareOf(energy.largest_kept, all),
          ShareOf(energy.largest_removed, all)};
}

std::vector<double> KeptShares(const NeuronRemoval& removal) {
  std::vector<double> shares;
  for (const KeptEnergy& energy : removal.energies) {
    shares.push_back(SharesOf(energy).kept);
  }
  return shares;
}

double MeanOf(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

base::Json NeuronRemovalToJson(const NeuronRemovalOptions& options,
                               int64_t intermediate_size,
                               const NeuronRemoval& removal) {
  base::Json json = base::Json::object();
  json["options"] = base::OptionsToJson(options);
  json["intermediate_size"] = intermediate_size;
  json["kept_share"] = MeanOf(KeptShares(removal));
  json["layers"] = base::Json::array();
  for (size_t i = 0; i < removal.energies.size(); ++i) {
    const KeptEnergy shares = SharesOf(removal.energies[i]);
    json["layers"].push_back(
        {{"layer", i},
         {"kept_share", shares.kept},
         {"largest_kept_share", shares.largest_kept},
         {"least_kept_share", shares.least_kept},
         {"largest_removed_share", shares.largest_removed}});
  }
  return json;
}

std::string FormatNeuronRemoval(const NeuronRemoval& removal) {
  std::string text =
      absl::StrFormat("  %5s  %11s  %12s  %10s  %15s\n", "layer", "kept energy",
                      "largest kept", "least kept", "largest removed");
  for (size_t i = 0; i < removal.energies.size(); ++i) {
    const KeptEnergy shares = SharesOf(removal.energies[i]);
    absl::StrAppendFormat(&text, "  %5d  %11.4f  %12.2e  %10.2e  %15.2e\n", i,
                          shares.kept, shares.largest_kept, shares.least_kept,
                          shares.largest_removed);
  }
  const std::vector<double> kept = KeptShares(removal);
  const auto [least, largest] = std::minmax_element(kept.begin(), kept.end());
  absl::StrAppendFormat(
      &text,
      "  kept energy of a layer: %.4f at least, %.4f in the mean, %.4f "
      "at most\n",
      *least, MeanOf(kept), *largest);
  return text;
}

}  // namespace moe::reconstruct
