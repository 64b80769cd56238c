#include "moe/experiment/report/model_section.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/report/report_values.h"
#include "moe/experiment/step_plan.h"

namespace moe::experiment {
namespace {

struct Section {
  const char* name;
  const char* rows;  // "layers"
  steps::OutputKind made;
  // The command, among those that make the same; empty for all.
  absl::string_view command = {};
};

constexpr Section kSections[] = {
    {"routers", "layers", steps::OutputKind::kGateWeights},
    {"neuron_splits", "layers", steps::OutputKind::kNeuronIndices},
    {"energy_splits", "layers", steps::OutputKind::kRouterAndNeurons,
     "split_energy"},
    {"rate_splits", "layers", steps::OutputKind::kRouterAndNeurons,
     "split_activation_rate"},
    {"alignments", "blocks", steps::OutputKind::kAlignedCheckpoint},
    {"reconstructions", "blocks", steps::OutputKind::kReconstructedCheckpoint},
    {"neuron_removals", "layers", steps::OutputKind::kNarrowCheckpoint},
};

bool IsIn(const PlannedStep& step, const Section& section) {
  return step.output() == section.made &&
         (section.command.empty() || step.command() == section.command);
}

absl::StatusOr<base::Json> EntryOf(const PlannedStep& step,
                                   const Section& section,
                                   absl::string_view results) {
  MOE_ASSIGN_OR_RETURN(const base::Json report,
                       ReadStepReport(step.name, step.output(), results));
  const absl::StatusOr<std::vector<base::Json>> rows =
      ObjectsIn(report, section.rows);
  if (!rows.ok()) {
    return base::Annotate(rows.status(),
                          absl::StrCat("report of step \"", step.name, "\""));
  }
  base::Json entry = {{"step", step.name}, {"command", step.command()}};
  CopyFields(report,
             {"options", "alignment_mode", "alignment_parts", "parts", "ridge",
              "ridge_attention", "target", "intermediate_size", "kept_share"},
             entry);
  entry[section.rows] = *rows;
  return entry;
}

}  // namespace

absl::StatusOr<base::Json> ModelSectionsToJson(const ExperimentSpec& spec,
                                               absl::string_view results) {
  MOE_ASSIGN_OR_RETURN(const std::vector<PlannedStep> steps, PlanSteps(spec));
  base::Json sections = base::Json::object();
  for (const Section& section : kSections) {
    base::Json& entries = sections[section.name] = base::Json::array();
    for (const PlannedStep& step : steps) {
      if (!IsIn(step, section)) continue;
      MOE_ASSIGN_OR_RETURN(const base::Json entry,
                           EntryOf(step, section, results));
      entries.push_back(entry);
    }
  }
  return sections;
}

}  // namespace moe::experiment
