// A linear layer with packed weights, forward and backward.

#ifndef MOE_MODEL_LAYER_LINEAR_H_
#define MOE_MODEL_LAYER_LINEAR_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe {

// The passes that weights are packed for.
enum class LayerPasses { kForward, kBackward, kForwardAndBackward };

struct Linear {
  PackedMatrix forward;     // W [out, in]; empty for kBackward.
  PackedMatrix backward;    // Its transpose; empty for kForward.
  std::vector<float> bias;  // [out], or empty.

  // 0 if there is no layer.
  int64_t num_outputs() const {
    return forward.depth() > 0 ? forward.num_outputs() : backward.depth();
  }
  // Memory of the packed weights and the bias.
  int64_t size_bytes() const;
};

// Linear::size_bytes() for a weight [out, in] without bias.
int64_t PackedLinearBytes(int64_t out, int64_t in, LayerPasses passes);

Linear PackLinear(const WeightView& weight, std::vector<float> bias,
                  LayerPasses passes, ThreadPool& pool);

// y = x W^T + bias for x [num_tokens, in] and y [num_tokens, out], which must
// not overlap. The layer must be packed for the forward. The product is that of
// Gemm. Adding the bias rounds once more.
void ApplyLinear(const Linear& linear, MatrixView<const float> x,
                 MatrixView<float> y, ThreadPool& pool);

// dx = dy W, the gradient with respect to x. The layer must be packed for the
// backward.
void ApplyLinearBackward(const Linear& linear, MatrixView<const float> dy,
                         MatrixView<float> dx, ThreadPool& pool);

// dx += dy W: computes the product, then adds it.
void AddLinearBackward(const Linear& linear, MatrixView<const float> dy,
                       MatrixView<float> dx, ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_LINEAR_H_
