// Figures of benchmarks held to the registry.

#ifndef BENCHMARKS_TRACKING_PERFORMANCE_CHECK_H_
#define BENCHMARKS_TRACKING_PERFORMANCE_CHECK_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmarks/tracking/benchmark_output.h"
#include "benchmarks/tracking/performance_registry.pb.h"

namespace moe {

enum class PerformanceVerdict {
  kAsBefore,
  kBetter,  // By more than the threshold: the baseline can be moved.
  kRegression
};

struct CheckedMetric {
  TrackedMetric metric;
  double value = 0;
  PerformanceVerdict verdict = PerformanceVerdict::kAsBefore;
  // How many `value` is the median of.
  int measurements = 1;
};

PerformanceVerdict JudgeFigure(const TrackedMetric& metric, double value);

// Benchmark ("split_benchmark") -> its output.
using BenchmarkOutputs = std::map<std::string, BenchmarkOutput>;

// For each metric of the registry, in its order. NotFound, with the metric and
// what there is in its place, if a benchmark, row or counter is missing;
// InvalidArgument if the figure is not a finite number.
absl::StatusOr<std::vector<CheckedMetric>> CheckPerformance(
    const PerformanceRegistry& registry, const BenchmarkOutputs& outputs);

bool HasRegression(const std::vector<CheckedMetric>& checked);

// "regression", "better", "as before".
std::string VerdictName(PerformanceVerdict verdict);
// "+12.0%": how far the figure is from the baseline.
std::string FormatChange(const CheckedMetric& checked);
// A line for each metric, for a terminal.
std::string FormatPerformanceCheck(const std::vector<CheckedMetric>& checked);

}  // namespace moe

#endif  // BENCHMARKS_TRACKING_PERFORMANCE_CHECK_H_
