#include "benchmarks/tracking/performance_registry.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "benchmarks/tracking/performance_registry.pb.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/text_proto.h"

namespace moe {
namespace {

bool IsMetricName(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::StrContains("_/-", absl::string_view(&c, 1));
  });
}

absl::Status ValidateMetric(const TrackedMetric& metric) {
  MOE_RETURN_IF_ERROR(CheckField(IsMetricName(metric.name()), "name",
                                 metric.name(),
                                 "letters, digits, \"_\", \"/\" and \"-\""));
  const struct {
    absl::string_view field;
    const std::string& value;
  } kTexts[] = {{"benchmark", metric.benchmark()},
                {"row", metric.row()},
                {"counter", metric.counter()},
                {"unit", metric.unit()},
                {"owner", metric.owner()}};
  for (const auto& [field, value] : kTexts) {
    MOE_RETURN_IF_ERROR(CheckField(!value.empty(), field, "\"\"", "a text"));
  }
  MOE_RETURN_IF_ERROR(
      CheckField(TrackedMetric::Direction_IsValid(metric.direction()) &&
                     metric.direction() != TrackedMetric::UNSPECIFIED,
                 "direction", static_cast<int>(metric.direction()),
                 "LOWER_IS_BETTER or HIGHER_IS_BETTER"));
  // Written so that NaN is refused.
  MOE_RETURN_IF_ERROR(
      CheckField(metric.baseline() > 0 && std::isfinite(metric.baseline()),
                 "baseline", metric.baseline(), "a number above 0"));
  return CheckField(metric.threshold() > 0 && metric.threshold() < 1,
                    "threshold", metric.threshold(),
                    "a number above 0 and below 1");
}

}  // namespace

absl::Status ValidatePerformanceRegistry(const PerformanceRegistry& registry) {
  std::set<std::string> names;
  for (int i = 0; i < registry.metric_size(); ++i) {
    const TrackedMetric& metric = registry.metric(i);
    MOE_RETURN_IF_ERROR(
        Annotate(ValidateMetric(metric),
                 absl::StrCat("metric ", i, " (\"", metric.name(), "\")")));
    if (!names.insert(metric.name()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("metric ", i, ": \"", metric.name(), "\" stands twice"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PerformanceRegistry> ReadPerformanceRegistry(
    absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const PerformanceRegistry registry,
                       ReadTextProto<PerformanceRegistry>(path));
  MOE_RETURN_IF_ERROR(Annotate(ValidatePerformanceRegistry(registry), path));
  return registry;
}

double WorstAllowed(const TrackedMetric& metric) {
  const double sign =
      metric.direction() == TrackedMetric::LOWER_IS_BETTER ? 1.0 : -1.0;
  return metric.baseline() * (1.0 + sign * metric.threshold());
}

}  // namespace moe
