#include "benchmarks/tracking/performance_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "benchmarks/tracking/benchmark_output.h"
#include "benchmarks/tracking/performance_registry.h"
#include "benchmarks/tracking/performance_registry.pb.h"
#include "moe/base/status_macros.h"

namespace moe {
namespace {

template <typename Value>
absl::StatusOr<const Value*> Find(const std::map<std::string, Value>& map,
                                  const std::string& key,
                                  absl::string_view what) {
  const auto found = map.find(key);
  if (found != map.end()) return &found->second;
  return absl::NotFoundError(
      absl::StrCat("there is no ", what, " \"", key, "\"; there are: ",
                   absl::StrJoin(map, ", ", [](std::string* out, auto& entry) {
                     absl::StrAppend(out, entry.first);
                   })));
}

absl::StatusOr<double> FigureOf(const TrackedMetric& metric,
                                const BenchmarkOutputs& outputs) {
  MOE_ASSIGN_OR_RETURN(const BenchmarkOutput* const output,
                       Find(outputs, metric.benchmark(), "output of"));
  MOE_ASSIGN_OR_RETURN(const auto* const row,
                       Find(*output, metric.row(), "row"));
  MOE_ASSIGN_OR_RETURN(const double* const value,
                       Find(*row, metric.counter(), "counter"));
  if (std::isfinite(*value)) return *value;
  return absl::InvalidArgumentError(
      absl::StrCat("counter \"", metric.counter(), "\" is ", *value));
}

}  // namespace

PerformanceVerdict JudgeFigure(const TrackedMetric& metric, double value) {
  const double worst = WorstAllowed(metric);
  const double best = 2 * metric.baseline() - worst;
  const bool lower = metric.direction() == TrackedMetric::LOWER_IS_BETTER;
  if (lower ? value > worst : value < worst) {
    return PerformanceVerdict::kRegression;
  }
  return (lower ? value < best : value > best) ? PerformanceVerdict::kBetter
                                               : PerformanceVerdict::kAsBefore;
}

absl::StatusOr<std::vector<CheckedMetric>> CheckPerformance(
    const PerformanceRegistry& registry, const BenchmarkOutputs& outputs) {
  std::vector<CheckedMetric> checked;
  for (const TrackedMetric& metric : registry.metric()) {
    const absl::StatusOr<double> value = FigureOf(metric, outputs);
    MOE_RETURN_IF_ERROR(
        Annotate(value.status(), absl::StrCat("metric ", metric.name())));
    checked.push_back({metric, *value, JudgeFigure(metric, *value)});
  }
  return checked;
}

bool HasRegression(const std::vector<CheckedMetric>& checked) {
  return std::any_of(checked.begin(), checked.end(), [](const auto& c) {
    return c.verdict == PerformanceVerdict::kRegression;
  });
}

std::string VerdictName(PerformanceVerdict verdict) {
  switch (verdict) {
    case PerformanceVerdict::kAsBefore:
      return "as before";
    case PerformanceVerdict::kBetter:
      return "better";
    case PerformanceVerdict::kRegression:
      return "regression";
  }
  return "";
}

std::string FormatChange(const CheckedMetric& checked) {
  return absl::StrFormat("%+.1f%%",
                         100 * (checked.value / checked.metric.baseline() - 1));
}

namespace {

std::string Repeats(const CheckedMetric& checked) {
  if (checked.measurements == 1) return "";
  return absl::StrCat("; median of ", checked.measurements);
}

}  // namespace

std::string FormatPerformanceCheck(const std::vector<CheckedMetric>& checked) {
  std::string text = absl::StrFormat("%-44s %10s %10s %8s  %s\n", "metric",
                                     "figure", "baseline", "change", "verdict");
  for (const CheckedMetric& c : checked) {
    absl::StrAppendFormat(&text, "%-44s %10.4g %10.4g %8s  %s (%s; %s%s)\n",
                          c.metric.name(), c.value, c.metric.baseline(),
                          FormatChange(c), VerdictName(c.verdict),
                          c.metric.unit(), c.metric.owner(), Repeats(c));
  }
  return text;
}

}  // namespace moe
