// Figures of the registry's metrics, measured as often as it takes to say that
// one has become worse.

#ifndef BENCHMARKS_TRACKING_MEASURE_METRICS_H_
#define BENCHMARKS_TRACKING_MEASURE_METRICS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmarks/tracking/benchmark_output.h"
#include "benchmarks/tracking/performance_check.h"
#include "benchmarks/tracking/performance_registry.pb.h"

namespace moe {

// Runs rows of a benchmark, which is called as in the registry.
using BenchmarkRunner = std::function<absl::StatusOr<BenchmarkOutput>(
    const std::string& benchmark, const std::vector<std::string>& rows)>;

// Measurements of a metric of which the first is a regression. Odd, as the
// median of all of them is the figure.
inline constexpr int kMeasurementsOfARegression = 3;

// For each metric, in the registry's order. Machines are noisy: a metric whose
// first figure is a regression is measured twice more, and the median of the
// three is its figure. The errors of `run` and of CheckPerformance.
absl::StatusOr<std::vector<CheckedMetric>> MeasureMetrics(
    const PerformanceRegistry& registry, const BenchmarkRunner& run);

}  // namespace moe

#endif  // BENCHMARKS_TRACKING_MEASURE_METRICS_H_
