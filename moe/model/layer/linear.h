// A linear layer with packed weights, forward and backward.

#ifndef MOE_MODEL_LAYER_LINEAR_H_
#define MOE_MODEL_LAYER_LINEAR_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe::model {

// The passes that weights are packed for.
enum class LayerPasses { kForward, kBackward, kForwardAndBackward };

struct Linear {
  kernels::PackedMatrix forward;   // W [out, in]; empty for kBackward.
  kernels::PackedMatrix backward;  // Its transpose; empty for kForward.
  std::vector<float> bias;         // [out], or empty.

  // 0 if there is no layer.
  int64_t num_outputs() const {
    return forward.depth() > 0 ? forward.num_outputs() : backward.depth();
  }
  // Memory of the packed weights and the bias.
  int64_t size_bytes() const;
};

// Linear::size_bytes() for a weight [out, in] without bias.
int64_t PackedLinearBytes(int64_t out, int64_t in, LayerPasses passes);

Linear PackLinear(const kernels::WeightView& weight, std::vector<float> bias,
                  LayerPasses passes, base::ThreadPool& pool);

// y = x W^T + bias for x [num_tokens, in] and y [num_tokens, out], which must
// not overlap. The layer must be packed for the forward. The product is that of
// Gemm. Adding the bias rounds once more.
void ApplyLinear(const Linear& linear, base::MatrixView<const float> x,
                 base::MatrixView<float> y, base::ThreadPool& pool);

// dx = dy W, the gradient with respect to x. The layer must be packed for the
// backward.
void ApplyLinearBackward(const Linear& linear, base::MatrixView<const float> dy,
                         base::MatrixView<float> dx, base::ThreadPool& pool);

// dx += dy W: computes the product, then adds it.
void AddLinearBackward(const Linear& linear, base::MatrixView<const float> dy,
                       base::MatrixView<float> dx, base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_LINEAR_H_
