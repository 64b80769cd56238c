// The gated activation of LLaMA's MLP (Shazeer, "GLU Variants Improve
// Transformer", 2020, equation 6, without biases), elementwise and in float
// throughout:
//   sigmoid(x) = 1 / (1 + exp(-x))
//   silu(x)    = x / (1 + exp(-x))
// The results are the same on every SIMD target and with any number of threads,
// because exp is correctly rounded. If exp(-x) overflows, for x below -88.72,
// silu is -0.

#ifndef MOE_KERNELS_ROWS_SWIGLU_H_
#define MOE_KERNELS_ROWS_SWIGLU_H_

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// y = silu(gate) * up, all [num_tokens, intermediate_size]. `y` may be either.
void SwiGlu(base::MatrixView<const float> gate,
            base::MatrixView<const float> up, base::MatrixView<float> y,
            base::ThreadPool& pool);

// The gradients with respect to gate and up, given that with respect to y:
//   d_gate = (dy * up) * (s * (1 + gate * (1 - s))), s = sigmoid(gate)
//   d_up = dy * silu(gate)
// Each output may be one of the inputs; the two must not overlap.
void SwiGluBackward(base::MatrixView<const float> gate,
                    base::MatrixView<const float> up,
                    base::MatrixView<const float> dy,
                    base::MatrixView<float> d_gate,
                    base::MatrixView<float> d_up, base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_SWIGLU_H_
