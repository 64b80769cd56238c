// How many tokens a router puts first with each expert.

#ifndef MOE_GATES_ROUTED_COUNTS_H_
#define MOE_GATES_ROUTED_COUNTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/model/walk/hidden_states.h"

namespace moe {

// Element e is the number of rows of `points` [T, H] whose TopExperts under
// `router` [E, H] is e. Its errors.
absl::StatusOr<std::vector<int64_t>> RoutedCounts(
    HiddenStates& points, MatrixView<const float> router, ThreadPool& pool);

}  // namespace moe

#endif  // MOE_GATES_ROUTED_COUNTS_H_
