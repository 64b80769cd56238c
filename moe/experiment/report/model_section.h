// What the steps' own reports say about the experts that were made, as JSON.

#ifndef MOE_EXPERIMENT_REPORT_MODEL_SECTION_H_
#define MOE_EXPERIMENT_REPORT_MODEL_SECTION_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe::experiment {

// {"routers", "neuron_splits", "energy_splits", "rate_splits", "alignments",
// "reconstructions", "neuron_removals"}: lists with an entry for each step that
// made such a thing, {"step", "command", "layers" or "blocks", ...}, with the
// fields of that step's report as they stand there. Lists may be empty, as an
// experiment needs none of these steps. Errors of PlanSteps and ReadStepReport;
// InvalidArgument for a report of another form.
//
//   routers         layers: layer, min_size, max_size, sizes, routed_counts,
//                   inertia, best_restart, restarts, seconds; of routers drawn
//                   at random layer, tokens, routed_counts, seconds
//   neuron_splits   layers: layer, expert_size, residual_size, wanted, taken,
//                   residual_wanted, those that the kind of split has
//   energy_splits   layers: those of EnergySplitReportToJson
//   rate_splits     layers: those of ActivationRateSplitReportToJson
//   alignments      alignment_mode, alignment_parts; blocks: layer, part,
//                   divergence_before, divergence_after, num_dead_features,
//                   num_features_without_root, least_scale, largest_scale,
//                   largest_abs_bias
//   reconstructions parts, ridge, ridge_attention, target; blocks: those of
//                   ReconstructionToJson
//   neuron_removals those of NeuronRemovalToJson
absl::StatusOr<base::Json> ModelSectionsToJson(const ExperimentSpec& spec,
                                               absl::string_view results);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_REPORT_MODEL_SECTION_H_
