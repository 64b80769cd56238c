// Rotary position embeddings (Su et al., "RoFormer", 2021, section 3.2.2), in
// the half-split form of LLaMA in Hugging Face transformers: element i of a
// head is rotated with element i + head_dim / 2.
//
// The angles are those that such models are trained with: position * frequency
// in float. The sines and cosines of the table are correctly rounded
// (moe/kernels/math), so that no result depends on a libm.

#ifndef MOE_KERNELS_ROWS_ROPE_H_
#define MOE_KERNELS_ROWS_ROPE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// Frequencies [head_dim / 2]: 1 / base^(2 i / head_dim). The exponent, the
// power and the quotient are each rounded to float. `head_dim` is even and
// positive, `base` positive. Scaling for a longer context changes the
// frequencies.
std::vector<float> RopeFrequencies(float base, int64_t head_dim);

// Sines and cosines [num_positions, head_dim / 2].
class RopeTable {
 public:
  // The table of the angles float(position) * frequencies[i]. Its values are
  // multiplied by `scale`, which some kinds of context scaling set. No angle
  // may exceed kMaxAngle of float_math.h.
  RopeTable(absl::Span<const float> frequencies, int64_t num_positions,
            float scale, base::ThreadPool& pool);

  int64_t num_positions() const { return num_positions_; }
  int64_t head_dim() const { return 2 * half_; }
  const float* Cos(int64_t position) const {
    return cos_.data() + position * half_;
  }
  const float* Sin(int64_t position) const {
    return sin_.data() + position * half_;
  }

 private:
  int64_t num_positions_;
  int64_t half_;
  std::vector<float> cos_;
  std::vector<float> sin_;
};

enum class RopeDirection {
  kForward,
  kInverse,  // By the negative angle. A gradient takes this one, too.
};

// Rotates every head of x [num_tokens, num_heads * head_dim] in place. Token t
// is at positions[t], which must be in the table. In float, without fused
// operations, as transformers computes it:
//   y_i          = x_i * cos_i          - x_{i + half} * sin_i
//   y_{i + half} = x_{i + half} * cos_i + x_i * sin_i
// The inverse changes the sign of the sine.
void ApplyRope(const RopeTable& table, absl::Span<const int32_t> positions,
               RopeDirection direction, base::MatrixView<float> x,
               base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_ROPE_H_
