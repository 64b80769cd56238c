#include "moe/model/aten/aten_losses.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>

#include "moe/base/ignored_label.h"

namespace moe::model {

at::Tensor AtenLosses(const at::Tensor& logits, const at::Tensor& targets) {
  // x_i - m.
  const at::Tensor shifted = logits.sub_(logits.amax(1, /*keepdim=*/true));
  const at::Tensor label =
      shifted.gather(1, targets.clamp_min(0).unsqueeze(1)).squeeze(1);
  return shifted.exp().sum(1).log_().sub_(label).masked_fill_(
      targets.eq(base::kIgnoredLabel), 0.0);
}

}  // namespace moe::model
