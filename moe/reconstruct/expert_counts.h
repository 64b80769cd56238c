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

namespace moe::reconstruct {

struct ExpertCounts {
  int64_t num_experts = 0;
  std::optional<int64_t> expert_size;  // What is left, in even shares.
  std::optional<int64_t> num_shared_neurons;
  // In its place: the size of the residual expert, in routed experts.
  std::optional<int64_t> num_experts_residual;
  int64_t top_k = 0;
};

// The counts of a message with these options, which must be valid one by one.
template <typename Options>
ExpertCounts ExpertCountsOf(const Options& options) {
  ExpertCounts counts;
  counts.num_experts = options.num_experts();
  if (options.has_expert_size()) counts.expert_size = options.expert_size();
  if (options.has_num_shared_neurons()) {
    counts.num_shared_neurons = options.num_shared_neurons();
  }
  if (options.has_num_experts_residual()) {
    counts.num_experts_residual = options.num_experts_residual();
  }
  counts.top_k = options.top_k();
  return counts;
}

// InvalidArgument if top_k is larger than num_experts, or the shared neurons
// are counted in both ways.
absl::Status CheckCounts(const ExpertCounts& counts);

struct ExpertSizes {
  int64_t num_shared_neurons = 0;
  int64_t expert_size = 0;
};

// The parts of an MLP of I = `intermediate_size` neurons. With R =
// num_experts_residual and E experts, R I / (E + R) neurons are shared.
// InvalidArgument, with the numbers, unless shared neurons and experts together
// are all of them.
absl::StatusOr<ExpertSizes> SizesOf(const ExpertCounts& counts,
                                    int64_t intermediate_size);

// `options` with those sizes in the place of num_experts_residual and of what
// is not set. The errors of SizesOf.
template <typename Options>
absl::StatusOr<Options> WithSizes(const Options& options,
                                  int64_t intermediate_size) {
  const absl::StatusOr<ExpertSizes> sizes =
      SizesOf(ExpertCountsOf(options), intermediate_size);
  if (!sizes.ok()) return sizes.status();
  Options sized = options;
  sized.clear_num_experts_residual();
  sized.set_num_shared_neurons(sizes->num_shared_neurons);
  sized.set_expert_size(sizes->expert_size);
  return sized;
}

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

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_EXPERT_COUNTS_H_
