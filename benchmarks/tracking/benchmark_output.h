// What a Google Benchmark program writes with --benchmark_out_format=json.

#ifndef BENCHMARKS_TRACKING_BENCHMARK_OUTPUT_H_
#define BENCHMARKS_TRACKING_BENCHMARK_OUTPUT_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

// Row -> counter -> value; "real_time" and "cpu_time", in the row's own unit,
// are counters too.
using BenchmarkOutput = std::map<std::string, std::map<std::string, double>>;

// InvalidArgument if the text is none of such a program's, or, with the row and
// its message, if a row ended with an error.
absl::StatusOr<BenchmarkOutput> ParseBenchmarkOutput(absl::string_view json);

}  // namespace moe

#endif  // BENCHMARKS_TRACKING_BENCHMARK_OUTPUT_H_
