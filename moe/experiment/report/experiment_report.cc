#include "moe/experiment/report/experiment_report.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/report/evaluation_section.h"
#include "moe/experiment/report/lock_section.h"
#include "moe/experiment/report/model_section.h"
#include "moe/experiment/report/report_template.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

base::Json ReproduceToJson(const ExperimentReportSources& sources) {
  const std::string& bazel = sources.reproduce.bazel;
  return {{"version", sources.reproduce.version},
          {"numerics_contract", sources.found.numerics_contract()},
          {"bazel", bazel.empty() ? base::Json(nullptr) : base::Json(bazel)},
          {"llama_moe", sources.reproduce.llama_moe},
          {"spec", FormatTextProto(sources.spec)}};
}

}  // namespace

absl::StatusOr<base::Json> ExperimentReportToJson(
    const ExperimentReportSources& sources) {
  const ExperimentSpec& spec = sources.spec;
  MOE_ASSIGN_OR_RETURN(const LockVerdict verdict,
                       JudgeResults(spec, sources.pinned, sources.found));
  base::Json report = {{"report", "experiment"},
                       {"experiment", spec.name()},
                       {"description", spec.description()},
                       {"passed", verdict.Passed()},
                       {"lock", LockToJson(verdict)},
                       {"criteria", CriteriaToJson(spec, verdict.criteria)},
                       {"evaluations", EvaluationsToJson(spec, sources.found)}};
  MOE_ASSIGN_OR_RETURN(report["expert_load"],
                       ExpertLoadToJson(spec, sources.results));
  MOE_ASSIGN_OR_RETURN(const base::Json sections,
                       ModelSectionsToJson(spec, sources.results));
  report.update(sections);
  report["steps"] = StepsToJson(verdict, sources.found, sources.results);
  report["inputs"] = InputsToJson(spec, sources.found);
  report["reproduce"] = ReproduceToJson(sources);
  return report;
}

std::string FormatReportPage(const base::Json& report) {
  // In JSON a "<" stands within texts only. Escaped, no text can end the
  // element that holds it, nor begin a comment.
  const std::string json =
      absl::StrReplaceAll(base::FormatJson(report), {{"<", "\\u003c"}});
  return absl::StrReplaceAll(kReportTemplate,
                             {{"CHARTS_JS", kCharts}, {"REPORT_JSON", json}});
}

absl::Status WriteExperimentReport(const base::Json& report,
                                   absl::string_view directory,
                                   bool overwrite) {
  base::AtomicDirectoryOptions options;
  options.kind = "report";
  options.overwrite = overwrite;
  MOE_ASSIGN_OR_RETURN(
      const std::unique_ptr<base::AtomicDirectoryWriter> writer,
      base::AtomicDirectoryWriter::Create(directory, options));
  MOE_RETURN_IF_ERROR(writer->WriteFile(kReportJson, base::FormatJson(report)));
  MOE_RETURN_IF_ERROR(writer->WriteFile(kReportHtml, FormatReportPage(report)));
  return writer->Commit();
}

}  // namespace moe::experiment
