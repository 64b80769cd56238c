// The expert that a router puts first for each token.
//
// How tokens are told apart by a router before there is a mixture of experts:
// the counts under routing of clustering, and the token clusters of neuron
// importance.

#ifndef MOE_MODEL_LAYER_TOP_EXPERT_H_
#define MOE_MODEL_LAYER_TOP_EXPERT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe {

// experts[t] = argmax_e x_t . router_e, ties to the lowest e, for x [T, H] and
// the router's packed weights [E, H]. The products are those of Gemm: a token's
// expert depends on no other token, thread or SIMD target.
//
// InvalidArgument, with token and expert, if a product is NaN or infinite; row
// t is token `first_token` + t.
absl::Status TopExperts(MatrixView<const float> x, const PackedMatrix& router,
                        int64_t first_token, absl::Span<int32_t> experts,
                        ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_TOP_EXPERT_H_
