#include "moe/experiment/report/experiment_report.h"

#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/report/evaluation_section.h"
#include "moe/experiment/report/lock_section.h"
#include "moe/experiment/report/model_section.h"
#include "moe/experiment/text_proto.h"

namespace moe {
namespace {

Json ReproduceToJson(const ExperimentReportSources& sources) {
  Json json = Json::object();
  json["version"] = sources.reproduce.version;
  json["numerics_contract"] = sources.found.numerics_contract();
  json["bazel"] = sources.reproduce.bazel.empty()
                      ? Json(nullptr)
                      : Json(sources.reproduce.bazel);
  json["llama_moe"] = sources.reproduce.llama_moe;
  json["spec"] = FormatTextProto(sources.spec);
  return json;
}

}  // namespace

absl::StatusOr<Json> ExperimentReportToJson(
    const ExperimentReportSources& sources) {
  const ExperimentSpec& spec = sources.spec;
  MOE_ASSIGN_OR_RETURN(const LockVerdict verdict,
                       JudgeResults(spec, sources.pinned, sources.found));
  Json report = Json::object();
  report["report"] = "experiment";
  report["experiment"] = spec.name();
  report["description"] = spec.description();
  report["passed"] = verdict.Passed();
  report["lock"] = LockToJson(verdict);
  report["criteria"] = CriteriaToJson(spec, verdict.criteria);
  report["evaluations"] = EvaluationsToJson(spec, sources.found);
  MOE_ASSIGN_OR_RETURN(report["expert_load"],
                       ExpertLoadToJson(spec, sources.results));
  MOE_ASSIGN_OR_RETURN(const Json sections,
                       ModelSectionsToJson(spec, sources.results));
  report.update(sections);
  report["steps"] = StepsToJson(verdict, sources.found, sources.results);
  report["inputs"] = InputsToJson(spec, sources.found);
  report["reproduce"] = ReproduceToJson(sources);
  return report;
}

}  // namespace moe
