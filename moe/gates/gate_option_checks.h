// What the options of all ways to make router weights have in common. Not for
// use elsewhere.

#ifndef MOE_GATES_GATE_OPTION_CHECKS_H_
#define MOE_GATES_GATE_OPTION_CHECKS_H_

#include <cstdint>

#include "absl/status/status.h"

namespace moe {

absl::Status CheckEnoughTokens(int64_t num_tokens, int64_t num_experts);

}  // namespace moe

#endif  // MOE_GATES_GATE_OPTION_CHECKS_H_
