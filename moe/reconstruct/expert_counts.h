// How many neurons the parts of a split have, and which neurons are shared.
//
// A split makes a residual expert of some neurons, which every token goes
// through, and experts of one size of all others.

#ifndef MOE_RECONSTRUCT_EXPERT_COUNTS_H_
#define MOE_RECONSTRUCT_EXPERT_COUNTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace moe {

struct ExpertCounts {
  int64_t num_experts = 0;
  std::optional<int64_t> expert_size;  // What is left, in even shares.
  int64_t num_shared_neurons = 0;
  int64_t top_k = 0;
};

// The counts of a message with these options, which must be valid one by one.
template <typename Options>
ExpertCounts ExpertCountsOf(const Options& options) {
  ExpertCounts counts;
  counts.num_experts = options.num_experts();
  if (options.has_expert_size()) counts.expert_size = options.expert_size();
  counts.num_shared_neurons = options.num_shared_neurons();
  counts.top_k = options.top_k();
  return counts;
}

// InvalidArgument if top_k is larger than num_experts.
absl::Status CheckTopK(const ExpertCounts& counts);

// The number of neurons of an expert in an MLP of `intermediate_size` neurons.
// InvalidArgument, with the numbers, unless shared neurons and experts together
// are all of them.
absl::StatusOr<int64_t> ExpertSizeOf(const ExpertCounts& counts,
                                     int64_t intermediate_size);

// InvalidArgument if there are fewer tokens than experts or shared neurons.
absl::Status CheckEnoughTokensFor(const ExpertCounts& counts,
                                  int64_t num_tokens);

// The `num_shared` neurons with the largest totals, ties to the lowest index;
// ascending.
std::vector<int64_t> LargestNeurons(absl::Span<const double> totals,
                                    int64_t num_shared);

// The neurons from 0 to `num_neurons` that are not in `shared`; both ascending.
std::vector<int64_t> OtherNeurons(int64_t num_neurons,
                                  absl::Span<const int64_t> shared);

}  // namespace moe

#endif  // MOE_RECONSTRUCT_EXPERT_COUNTS_H_
