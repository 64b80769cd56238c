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

namespace moe::experiment {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Beyond these, powers of ten are easier to read.
constexpr double kShortest = 1e-3, kLongest = 1e12;

}  // namespace

base::Json NumberToJson(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

double NumberOfJson(const base::Json& value) {
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
  if (value >= 999.95) return base::WithCommas(std::llround(value));
  // As many digits behind the point as make four in all.
  const int before = value < 1 ? 0 : static_cast<int>(std::log10(value)) + 1;
  return absl::StrFormat("%.*f", before == 0 ? 4 : 4 - before, value);
}

namespace {

// The load of every expert of every layer has room.
constexpr uint64_t kMaxReportBytes = uint64_t{256} << 20;

}  // namespace

std::string StepReportFile(steps::OutputKind kind) {
  if (kind == steps::OutputKind::kEvaluation) return steps::OutputFile(kind);
  if (kind == steps::OutputKind::kAlignedCheckpoint) {
    return absl::StrCat(steps::kAlignmentDirectory,
                        "/scale_factors.report.json");
  }
  if (steps::IsCheckpoint(kind)) return steps::CheckpointReportFile(kind);
  // Every artifact of a step has the same report beside it.
  return absl::StrCat(steps::ArtifactsOf(kind).front(), ".report.json");
}

absl::StatusOr<base::Json> ReadStepReport(absl::string_view step,
                                          steps::OutputKind made,
                                          absl::string_view results) {
  const std::string file = StepReportFile(made);
  if (file.empty()) return base::Json::object();
  const std::string path = absl::StrCat(results, "/", step, "/", file);
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       base::ReadFile(path, kMaxReportBytes));
  absl::StatusOr<base::Json> report = base::ParseJsonObject(text);
  return report.ok() ? report : base::Annotate(report.status(), path);
}

absl::StatusOr<std::vector<base::Json>> ObjectsIn(const base::Json& report,
                                                  absl::string_view field) {
  const base::Json* const list = base::FindField(report, field);
  if (list == nullptr) return std::vector<base::Json>();
  if (list->is_array() &&
      std::all_of(list->begin(), list->end(),
                  [](const base::Json& entry) { return entry.is_object(); })) {
    return std::vector<base::Json>(list->begin(), list->end());
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is not a list of objects"));
}

void CopyFields(const base::Json& from,
                std::initializer_list<const char*> fields, base::Json& to) {
  for (const char* const field : fields) {
    const base::Json* const value = base::FindField(from, field);
    if (value != nullptr) to[field] = *value;
  }
}

}  // namespace moe::experiment
