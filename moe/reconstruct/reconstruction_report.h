// The report of a reconstruction.

#ifndef MOE_RECONSTRUCT_RECONSTRUCTION_REPORT_H_
#define MOE_RECONSTRUCT_RECONSTRUCTION_REPORT_H_

#include <string>

#include "moe/base/json.h"
#include "moe/reconstruct/reconstruct_model.h"
#include "moe/reconstruct/reconstruct_options.pb.h"

namespace moe::reconstruct {

// {the options, "blocks": [{"layer", "part", "num_features", "error_before",
// "error_after", "lambda", "pivot_ratio"}]}. MLPs that have experts also have,
// as the energy split's report names them,
//   captured_share  captured / routed, by routed_energy.h
//   oracle_share    oracle / routed
//   shared_share    shared / (shared + routed); 0 without a residual expert
base::Json ReconstructionToJson(const Reconstruction& reconstruction,
                                const ReconstructOptions& options);

// A line for each block, with a dash where there are no experts.
std::string FormatReconstruction(const Reconstruction& reconstruction);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_RECONSTRUCTION_REPORT_H_
