// Exports with dense layers at both ends, and what they have to be.

#ifndef MOE_CONVERT_TESTING_EXPORT_CASE_H_
#define MOE_CONVERT_TESTING_EXPORT_CASE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/convert/export_checkpoint.h"
#include "moe/convert/export_options.pb.h"

namespace moe::convert::testing {

// Layer 1 of 3 has 4 experts of 6, a scale factor of 2, and where it is above 0
// a residual expert of that size; the others are dense.
checkpoint::MoeConfig WithDenseEnds(int64_t residual);

// The tensors of the definition of ERNIE4_5_MOE or of QWEN2_MOE.
checkpoint::HostTensors WantedProjections(const checkpoint::HostTensors& moe,
                                          ExportOptions::Target target);

// Exports DIRECTORY/moe to DIRECTORY/out.
absl::StatusOr<ExportedCheckpoint> Export(
    const base::testing::TempDirectory& directory,
    ExportOptions::Target target);

// DIRECTORY/out/config.json.
base::Json ExportedConfig(const base::testing::TempDirectory& directory);

}  // namespace moe::convert::testing

#endif  // MOE_CONVERT_TESTING_EXPORT_CASE_H_
