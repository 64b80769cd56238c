// What an alignment has done, as JSON and as a table.

#ifndef MOE_ALIGN_ALIGNMENT_REPORT_H_
#define MOE_ALIGN_ALIGNMENT_REPORT_H_

#include <string>

#include "moe/align/align_model.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/json.h"

namespace moe {

// {"alignment_mode": "exact", "alignment_parts": "full", "blocks": [{"layer",
// "part", "divergence_before", "divergence_after", "num_dead_features",
// "num_features_without_root", "least_scale", "largest_scale",
// "largest_abs_bias"}]}. The divergences are MeanSymmetricKl of the block's
// whole output to the reference, null where every feature is dead.
Json AlignmentReportToJson(const Alignment& alignment,
                           const AlignOptions& options);

// Mode and parts, and a line for each block.
std::string FormatAlignmentReport(const Alignment& alignment,
                                  const AlignOptions& options);

}  // namespace moe

#endif  // MOE_ALIGN_ALIGNMENT_REPORT_H_
