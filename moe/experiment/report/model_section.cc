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
#include "moe/experiment/report/step_report.h"
#include "moe/experiment/step_plan.h"

namespace moe {
namespace {

struct Section {
  const char* name;
  const char* rows;  // "layers"
};

// Null for steps that no section is about.
const Section* SectionOf(OutputKind kind) {
  static constexpr Section kRouters = {"routers", "layers"};
  static constexpr Section kSplits = {"neuron_splits", "layers"};
  static constexpr Section kAlignments = {"alignments", "blocks"};
  switch (kind) {
    case OutputKind::kGateWeights:
      return &kRouters;
    case OutputKind::kNeuronIndices:
      return &kSplits;
    case OutputKind::kAlignedCheckpoint:
      return &kAlignments;
    case OutputKind::kImportanceScores:
    case OutputKind::kDistribution:
    case OutputKind::kCheckpoint:
    case OutputKind::kEvaluation:
      break;
  }
  return nullptr;
}

absl::StatusOr<Json> EntryOf(const PlannedStep& step, const Section& section,
                             absl::string_view results) {
  MOE_ASSIGN_OR_RETURN(const Json report,
                       ReadStepReport(step.name, step.output(), results));
  const absl::StatusOr<std::vector<Json>> rows =
      ObjectsIn(report, section.rows);
  if (!rows.ok()) {
    return Annotate(rows.status(),
                    absl::StrCat("report of step \"", step.name, "\""));
  }
  Json entry = Json::object();
  entry["step"] = step.name;
  entry["command"] = step.command();
  CopyFields(report, {"options", "alignment_mode", "alignment_parts"}, entry);
  entry[section.rows] = *rows;
  return entry;
}

}  // namespace

absl::StatusOr<Json> ModelSectionsToJson(const ExperimentSpec& spec,
                                         absl::string_view results) {
  MOE_ASSIGN_OR_RETURN(const std::vector<PlannedStep> steps, PlanSteps(spec));
  Json sections = Json::object();
  for (const char* const name : {"routers", "neuron_splits", "alignments"}) {
    sections[name] = Json::array();
  }
  for (const PlannedStep& step : steps) {
    const Section* const section = SectionOf(step.output());
    if (section == nullptr) continue;
    MOE_ASSIGN_OR_RETURN(const Json entry, EntryOf(step, *section, results));
    sections[section->name].push_back(entry);
  }
  return sections;
}

}  // namespace moe
