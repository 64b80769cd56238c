// The loss of next-token prediction, and its gradient.
//
// The same on every SIMD target and with any number of threads and rows at
// once: a token's loss and gradient are functions of its logits and label
// alone.

#ifndef MOE_KERNELS_ROWS_CROSS_ENTROPY_H_
#define MOE_KERNELS_ROWS_CROSS_ENTROPY_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe {

// For every row x of logits [num_tokens, vocabulary_size] with label l, in
// float but for the sum, which is taken in double over 16 virtual lanes:
//   e_i = exp(x_i - m), m = max_j x_j
//   s = float(sum_j e_j)
//   loss = log(s) - (x_l - m)
// and +0 for kIgnoredLabel. `losses` has num_tokens elements. Other labels must
// lie in [0, vocabulary_size).
void CrossEntropy(MatrixView<const float> logits,
                  absl::Span<const int32_t> labels, absl::Span<float> losses,
                  ThreadPool& pool);

// The same, and over the logits their gradient, given that with respect to
// each loss, scales [num_tokens] (1 / number of labels, for a mean):
//   d_i = (e_i / s - [i = l]) * scale
// and +0 for kIgnoredLabel.
void CrossEntropyWithGradient(absl::Span<const int32_t> labels,
                              absl::Span<const float> scales,
                              MatrixView<float> logits,
                              absl::Span<float> losses, ThreadPool& pool);

}  // namespace moe

#endif  // MOE_KERNELS_ROWS_CROSS_ENTROPY_H_
