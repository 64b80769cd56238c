#include "moe/reconstruct/split_report.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "moe/checkpoint/artifact/neuron_indices.h"

namespace moe::reconstruct {

double ShareOf(double part, double whole) {
  return whole > 0.0 ? part / whole : 0.0;
}

LoadRange LoadRangeOf(absl::Span<const int64_t> loads) {
  const auto [least, largest] = std::minmax_element(loads.begin(), loads.end());
  const auto sum = static_cast<double>(
      std::accumulate(loads.begin(), loads.end(), int64_t{0}));
  const double even = sum / static_cast<double>(loads.size());
  return {static_cast<double>(*least) / even,
          static_cast<double>(*largest) / even};
}

std::string FormatLoadRange(const LoadRange& loads) {
  return absl::StrFormat("%.2f..%.2f", loads.least, loads.largest);
}

int64_t NumShared(const checkpoint::LayerNeuronIndices& indices) {
  return indices.residual.has_value()
             ? static_cast<int64_t>(indices.residual->size())
             : 0;
}

std::string FormatSizes(const checkpoint::LayerNeuronIndices& indices) {
  return absl::StrCat(NumShared(indices), " + ", indices.experts.rows(), " x ",
                      indices.experts.cols());
}

}  // namespace moe::reconstruct
