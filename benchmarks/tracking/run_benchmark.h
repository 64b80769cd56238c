// Runs a Google Benchmark program and reads what it found.

#ifndef BENCHMARKS_TRACKING_RUN_BENCHMARK_H_
#define BENCHMARKS_TRACKING_RUN_BENCHMARK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "benchmarks/tracking/benchmark_output.h"

namespace moe {

// The rows as a pattern for --benchmark_filter, which matches these and no
// other: "^(BM_A/1|BM_B/2)$".
std::string RowFilter(const std::vector<std::string>& rows);

// Runs `program` for these rows only; it reports to standard error as it goes.
// NotFound if there is no such program; Internal if it ends with an error; the
// errors of ParseBenchmarkOutput.
absl::StatusOr<BenchmarkOutput> RunBenchmark(
    absl::string_view program, const std::vector<std::string>& rows);

}  // namespace moe

#endif  // BENCHMARKS_TRACKING_RUN_BENCHMARK_H_
