#include "moe/experiment/report/step_report.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/step_plan.h"

namespace moe {
namespace {

// The load of every expert of every layer has room.
constexpr uint64_t kMaxReportBytes = uint64_t{256} << 20;

}  // namespace

std::string StepReportFile(OutputKind kind) {
  switch (kind) {
    case OutputKind::kEvaluation:
      return OutputFile(kind);
    case OutputKind::kCheckpoint:
      return "";
    case OutputKind::kAlignedCheckpoint:
      return absl::StrCat(kAlignmentDirectory, "/scale_factors.report.json");
    case OutputKind::kGateWeights:
    case OutputKind::kImportanceScores:
    case OutputKind::kNeuronIndices:
    case OutputKind::kDistribution:
      break;
  }
  return absl::StrCat(OutputName(kind), ".report.json");
}

absl::StatusOr<Json> ReadStepReport(absl::string_view step, OutputKind made,
                                    absl::string_view results) {
  const std::string file = StepReportFile(made);
  if (file.empty()) return Json::object();
  const std::string path = absl::StrCat(results, "/", step, "/", file);
  MOE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxReportBytes));
  absl::StatusOr<Json> report = ParseJsonObject(text);
  return report.ok() ? report : Annotate(report.status(), path);
}

absl::StatusOr<std::vector<Json>> ObjectsIn(const Json& report,
                                            absl::string_view field) {
  const Json* const list = FindField(report, field);
  if (list == nullptr) return std::vector<Json>();
  if (list->is_array() &&
      std::all_of(list->begin(), list->end(),
                  [](const Json& entry) { return entry.is_object(); })) {
    return std::vector<Json>(list->begin(), list->end());
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is not a list of objects"));
}

void CopyFields(const Json& from, std::initializer_list<const char*> fields,
                Json& to) {
  for (const char* const field : fields) {
    const Json* const value = FindField(from, field);
    if (value != nullptr) to[field] = *value;
  }
}

}  // namespace moe
