// What is worth knowing of a layer's router weights beside the weights: as JSON
// and as a table.

#ifndef MOE_GATES_GATES_REPORT_H_
#define MOE_GATES_GATES_REPORT_H_

#include <string>

#include "moe/base/json.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/hidden_clustering.h"
#include "moe/gates/random_selection.h"
#include "moe/gates/random_selection_options.pb.h"

namespace moe {

// {"options": {...}, "layers": [{"layer", "min_size", "max_size", "sizes",
// "routed_counts", "inertia", "best_restart", "restarts": [{"inertia",
// "num_iterations", "has_converged"}], "seconds"}]}
Json ClusteringReportToJson(const ClusteringOptions& options,
                            const HiddenClustering& clustering);
// A line for each layer: the least and the most of the clusters' sizes, of what
// is allowed and of the tokens routed to an expert; inertia and iterations of
// the best restart, how many restarts converged, and seconds.
std::string FormatClusteringReport(const HiddenClustering& clustering);

// {"options": {...}, "layers": [{"layer", "tokens", "routed_counts",
// "seconds"}]}
Json SelectionReportToJson(const RandomSelectionOptions& options,
                           const RandomSelection& selection);
std::string FormatSelectionReport(const RandomSelection& selection);

}  // namespace moe

#endif  // MOE_GATES_GATES_REPORT_H_
