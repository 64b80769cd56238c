#include "moe/model/aten/aten_forward.h"

#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/torch_plugin.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/aten/aten_model.h"
#include "moe/model/aten/aten_options.h"
#include "moe/model/aten/aten_pass.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

absl::StatusOr<std::vector<float>> AtenForward(
    const checkpoint::Checkpoint& checkpoint,
    const text::TokenSequences& sequences, const AtenOptions& options,
    const AtenLogitsTap& tap, base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(auto* const forward,
                       MOE_TORCH_FUNCTION(llama_moe_torch_forward));
  absl::StatusOr<std::vector<float>> losses = std::vector<float>();
  forward(AtenModelOf(checkpoint), sequences, options, tap, progress, losses);
  return losses;
}

}  // namespace moe::model
