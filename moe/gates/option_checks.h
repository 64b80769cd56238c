// What the options of all ways to make router weights have in common. Not for
// use elsewhere.

#ifndef MOE_GATES_OPTION_CHECKS_H_
#define MOE_GATES_OPTION_CHECKS_H_

#include <cstdint>

#include "absl/status/status.h"

namespace moe {

// More would only cost memory: a clustering's heaps take num_tokens *
// num_experts entries.
inline constexpr int64_t kMaxExperts = 1024;

// The published settings.
inline constexpr int64_t kDefaultNumExperts = 8;
inline constexpr double kDefaultBalanceJitterFactor = 0.4;

absl::Status CheckNumExperts(int64_t num_experts);
absl::Status CheckEnoughTokens(int64_t num_tokens, int64_t num_experts);

}  // namespace moe

#endif  // MOE_GATES_OPTION_CHECKS_H_
