#include "moe/experiment/report/report_values.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/byte_size.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/step_plan.h"

namespace moe {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Beyond these, powers of ten are easier to read.
constexpr double kShortest = 1e-3, kLongest = 1e12;

}  // namespace

Json NumberToJson(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

double NumberOfJson(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "inf") return kInfinity;
  if (value == "-inf") return -kInfinity;
  return std::numeric_limits<double>::quiet_NaN();
}

std::string FormatNumber(double value) {
  if (std::isnan(value)) return "not a number";
  if (value < 0) return absl::StrCat("-", FormatNumber(-value));
  if (std::isinf(value)) return "infinite";
  if (value == 0) return "0";
  if (value < kShortest || value >= kLongest) {
    return absl::StrFormat("%.2g", value);
  }
  if (value >= 999.95) return WithCommas(std::llround(value));
  // As many digits behind the point as make four in all.
  const int before = value < 1 ? 0 : static_cast<int>(std::log10(value)) + 1;
  return absl::StrFormat("%.*f", before == 0 ? 4 : 4 - before, value);
}

namespace {

// The load of every expert of every layer has room.
constexpr uint64_t kMaxReportBytes = uint64_t{256} << 20;

}  // namespace

std::string StepReportFile(OutputKind kind) {
  if (kind == OutputKind::kEvaluation) return OutputFile(kind);
  if (kind == OutputKind::kAlignedCheckpoint) {
    return absl::StrCat(kAlignmentDirectory, "/scale_factors.report.json");
  }
  if (IsCheckpoint(kind)) return CheckpointReportFile(kind);
  // Every artifact of a step has the same report beside it.
  return absl::StrCat(ArtifactsOf(kind).front(), ".report.json");
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
