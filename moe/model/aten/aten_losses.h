// The loss of next-token prediction through LibTorch's operators.
//
// Part of moe/model/aten; not under the numerics contract. The formula is that
// of moe/kernels/rows/cross_entropy.h. LibTorch's own cross entropy is not
// used: on a CPU, that of 1.13 loses small terms of its float32 sum and makes
// the mean loss over a vocabulary of 49152 too small by 2e-5.
//
// Callers use LibTorch's types and see its exceptions.

#ifndef MOE_MODEL_ATEN_ATEN_LOSSES_H_
#define MOE_MODEL_ATEN_ATEN_LOSSES_H_

#include <ATen/core/ATen_fwd.h>

namespace moe::model {

// The losses [num_tokens] of predicting `targets` [num_tokens], int64, from
// `logits` [num_tokens, vocab_size], float32, on the same device. Changes the
// logits. The loss is +0 for kIgnoredLabel. Other targets must be in [0,
// vocab_size). Takes as much memory again as the logits.
at::Tensor AtenLosses(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_LOSSES_H_
