#include "benchmarks/tracking/measure_metrics.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmarks/tracking/benchmark_output.h"
#include "benchmarks/tracking/performance_check.h"
#include "benchmarks/tracking/performance_registry.pb.h"
#include "moe/base/status_macros.h"

namespace moe {
namespace {

// Each benchmark runs once, for all rows that are wanted of it.
absl::StatusOr<std::vector<CheckedMetric>> MeasureOnce(
    const PerformanceRegistry& registry, const BenchmarkRunner& run) {
  std::map<std::string, std::vector<std::string>> rows;
  for (const TrackedMetric& metric : registry.metric()) {
    std::vector<std::string>& wanted = rows[metric.benchmark()];
    if (std::find(wanted.begin(), wanted.end(), metric.row()) == wanted.end()) {
      wanted.push_back(metric.row());
    }
  }
  BenchmarkOutputs outputs;
  for (const auto& [benchmark, wanted] : rows) {
    MOE_ASSIGN_OR_RETURN(outputs[benchmark], run(benchmark, wanted));
  }
  return CheckPerformance(registry, outputs);
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

absl::StatusOr<std::vector<CheckedMetric>> MeasureMetrics(
    const PerformanceRegistry& registry, const BenchmarkRunner& run) {
  MOE_ASSIGN_OR_RETURN(std::vector<CheckedMetric> checked,
                       MeasureOnce(registry, run));
  PerformanceRegistry worse;
  std::vector<CheckedMetric*> places;
  std::vector<std::vector<double>> figures;
  for (CheckedMetric& c : checked) {
    if (c.verdict != PerformanceVerdict::kRegression) continue;
    *worse.add_metric() = c.metric;
    places.push_back(&c);
    figures.push_back({c.value});
  }
  if (places.empty()) return checked;
  for (int i = 1; i < kMeasurementsOfARegression; ++i) {
    MOE_ASSIGN_OR_RETURN(const std::vector<CheckedMetric> again,
                         MeasureOnce(worse, run));
    for (size_t j = 0; j < again.size(); ++j) {
      figures[j].push_back(again[j].value);
    }
  }
  for (size_t j = 0; j < places.size(); ++j) {
    places[j]->value = Median(figures[j]);
    places[j]->verdict = JudgeFigure(places[j]->metric, places[j]->value);
    places[j]->measurements = kMeasurementsOfARegression;
  }
  return checked;
}

}  // namespace moe
