// The loss of next-token prediction, and its gradient.
//
// A token's loss and gradient depend only on its logits and its label. They are
// the same on every SIMD target, with any number of threads, and for any number
// of rows at once.

#ifndef MOE_KERNELS_ROWS_CROSS_ENTROPY_H_
#define MOE_KERNELS_ROWS_CROSS_ENTROPY_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// For every row x of logits [num_tokens, vocabulary_size] with label l, in
// float except for the sum, which is in double over 16 virtual lanes:
//   e_i = exp(x_i - m), m = max_j x_j
//   s = float(sum_j e_j)
//   loss = log(s) - (x_l - m)
// and +0 for kIgnoredLabel. `losses` has num_tokens elements. Other labels must
// lie in [0, vocabulary_size).
void CrossEntropy(base::MatrixView<const float> logits,
                  absl::Span<const int32_t> labels, absl::Span<float> losses,
                  base::ThreadPool& pool);

// The same, and replaces the logits by their gradient. scales [num_tokens] are
// the gradients with respect to the losses (1 / number of labels for a mean):
//   d_i = (e_i / s - [i = l]) * scale
// and +0 for kIgnoredLabel.
void CrossEntropyWithGradient(absl::Span<const int32_t> labels,
                              absl::Span<const float> scales,
                              base::MatrixView<float> logits,
                              absl::Span<float> losses, base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_CROSS_ENTROPY_H_
