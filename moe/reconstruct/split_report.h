// What the reports of splits into shared neurons and experts have in common.

#ifndef MOE_RECONSTRUCT_SPLIT_REPORT_H_
#define MOE_RECONSTRUCT_SPLIT_REPORT_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "moe/checkpoint/artifact/neuron_indices.h"

namespace moe::reconstruct {

// part / whole; 0 where the whole is.
double ShareOf(double part, double whole);

struct LoadRange {
  double least = 0.0;
  double largest = 0.0;
};
// The least and the most tokens of an expert, by their mean, which must be
// above 0.
LoadRange LoadRangeOf(absl::Span<const int64_t> loads);
std::string FormatLoadRange(const LoadRange& loads);  // "0.50..1.25"

int64_t NumShared(const checkpoint::LayerNeuronIndices& indices);
// "2 + 4 x 3": shared neurons, experts, and the size of one.
std::string FormatSizes(const checkpoint::LayerNeuronIndices& indices);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_SPLIT_REPORT_H_
