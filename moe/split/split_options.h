// What the options of neuron splits may be, and what they are where they are
// not set.

#ifndef MOE_SPLIT_SPLIT_OPTIONS_H_
#define MOE_SPLIT_SPLIT_OPTIONS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "moe/split/split_options.pb.h"

namespace moe {

// Neurons of an expert, for an MLP of `intermediate_size` neurons. The options
// must be valid. InvalidArgument, with what is allowed, if the neurons do not
// come out even, or there are too few of them.
absl::StatusOr<int64_t> ExpertSize(const VanillaSplitOptions& options,
                                   int64_t intermediate_size);
absl::StatusOr<int64_t> ExpertSize(const ResidualSplitOptions& options,
                                   int64_t intermediate_size);
absl::StatusOr<int64_t> ExpertSize(const NaiveSplitOptions& options,
                                   int64_t intermediate_size);

}  // namespace moe

#endif  // MOE_SPLIT_SPLIT_OPTIONS_H_
