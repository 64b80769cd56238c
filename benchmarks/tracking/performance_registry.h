// The registry of what is tracked, held to its rules.

#ifndef BENCHMARKS_TRACKING_PERFORMANCE_REGISTRY_H_
#define BENCHMARKS_TRACKING_PERFORMANCE_REGISTRY_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "benchmarks/tracking/performance_registry.pb.h"

namespace moe {

// InvalidArgument with the metric and the field: one that is empty or out of
// its range, a name that stands twice.
absl::Status ValidatePerformanceRegistry(const PerformanceRegistry& registry);

// Of a text file, valid. The errors of ReadTextProto too.
absl::StatusOr<PerformanceRegistry> ReadPerformanceRegistry(
    absl::string_view path);

// The worst figure that is no regression: baseline (1 + threshold) where lower
// is better, baseline (1 - threshold) where higher is.
double WorstAllowed(const TrackedMetric& metric);

}  // namespace moe

#endif  // BENCHMARKS_TRACKING_PERFORMANCE_REGISTRY_H_
