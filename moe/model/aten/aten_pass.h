// The part of AtenForward that uses LibTorch, in the plugin of
// moe/base/torch_plugin.h.

#ifndef MOE_MODEL_ATEN_ATEN_PASS_H_
#define MOE_MODEL_ATEN_ATEN_PASS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/model/aten/aten_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

// The losses, or the errors, of AtenForward (aten_forward.h).
extern "C" void llama_moe_torch_forward(
    const AtenModel& model, const text::TokenSequences& sequences,
    const AtenOptions& options, const AtenLogitsTap& tap,
    base::Progress& progress, absl::StatusOr<std::vector<float>>& losses);

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_PASS_H_
