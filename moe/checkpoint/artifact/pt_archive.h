// The part of the `.pt` bridge that LibTorch does, in the plugin of
// moe/base/torch_plugin.h.

#ifndef MOE_CHECKPOINT_ARTIFACT_PT_ARCHIVE_H_
#define MOE_CHECKPOINT_ARTIFACT_PT_ARCHIVE_H_

#include <string>

#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/pt_value.h"

namespace moe::checkpoint {

// The bytes of the file that WritePtFile (pt_bridge.h) writes. Unimplemented
// for a tensor of a type that such a file cannot hold, Internal for what
// LibTorch reports.
extern "C" void llama_moe_torch_format_pt(const PtValue& value,
                                          absl::StatusOr<std::string>& archive);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_PT_ARCHIVE_H_
