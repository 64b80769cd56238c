// The expert that a router puts first for each token.
//
// It tells tokens apart before there is a mixture of experts: for the routed
// counts of clustering, and for the token clusters of neuron importance.

#ifndef MOE_MODEL_LAYER_TOP_EXPERT_H_
#define MOE_MODEL_LAYER_TOP_EXPERT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe::model {

// experts[t] = argmax_e x_t . router_e, ties to the lowest e, for x [T, H] and
// the router's packed weights [E, H]. The products are those of Gemm, so that a
// token's expert does not depend on other tokens, threads or the SIMD target.
//
// InvalidArgument, with token and expert, if a product is NaN or infinite. Row
// t is token `first_token` + t.
absl::Status TopExperts(base::MatrixView<const float> x,
                        const kernels::PackedMatrix& router,
                        int64_t first_token, absl::Span<int32_t> experts,
                        base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_TOP_EXPERT_H_
