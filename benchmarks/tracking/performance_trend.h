// How the tracked figures went from run to run, as a page.

#ifndef BENCHMARKS_TRACKING_PERFORMANCE_TREND_H_
#define BENCHMARKS_TRACKING_PERFORMANCE_TREND_H_

#include <string>
#include <vector>

#include "benchmarks/tracking/performance_history.h"
#include "benchmarks/tracking/performance_registry.pb.h"

namespace moe {

// A self-contained HTML page: the last run's figures against the baselines, a
// chart for every metric with its baseline and the worst figure that is no
// regression, and the machines that the runs were on.
std::string FormatPerformanceTrend(const PerformanceRegistry& registry,
                                   const std::vector<PerformanceRun>& runs);

}  // namespace moe

#endif  // BENCHMARKS_TRACKING_PERFORMANCE_TREND_H_
