// The loss of next-token prediction through LibTorch's operators.
//
// Part of moe/model/aten; not under the numerics contract. The formula is that
// of moe/kernels/rows/cross_entropy.h. LibTorch's own cross entropy is not
// used: that of 1.13 on a CPU loses small terms of its float32 sum, which takes
// 2e-5 off the mean loss over a vocabulary of 49152.
//
// Its users hold LibTorch's types and see its exceptions.

#ifndef MOE_MODEL_ATEN_ATEN_LOSSES_H_
#define MOE_MODEL_ATEN_ATEN_LOSSES_H_

#include <ATen/core/ATen_fwd.h>

namespace moe {

// The losses [num_tokens] of predicting targets [num_tokens], int64, on the
// same device, from logits [num_tokens, vocab_size], float32, which are
// changed; +0 where the target is kIgnoredLabel. Other targets must lie in
// [0, vocab_size). Takes as much memory again as the logits.
at::Tensor AtenLosses(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace moe

#endif  // MOE_MODEL_ATEN_ATEN_LOSSES_H_
