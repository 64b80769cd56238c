// The figures of all runs, a line of JSON each, appended to a file.
//
// A line: {"date": "2026-01-02T03:04:05Z", "revision": "4f3a...", "machine":
// {...}, "figures": {"split/get_grads": 2.6, ...}, "measurements":
// {"split/get_grads": 3}}; what is not among the measurements was measured
// once. Runs of different machines may stand in one file.

#ifndef BENCHMARKS_TRACKING_PERFORMANCE_HISTORY_H_
#define BENCHMARKS_TRACKING_PERFORMANCE_HISTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

// What a figure may depend on besides the code.
struct MachineFacts {
  std::string processor;  // "Intel(R) Xeon(R) ..."
  int64_t num_processors = 0;
  int64_t memory_bytes = 0;
  std::string distribution;  // "Debian GNU/Linux 13 (trixie)"
  std::string kernel;        // "Linux 6.1.0"
  std::string simd_target;   // "avx512"

  friend bool operator==(const MachineFacts&, const MachineFacts&) = default;
};
MachineFacts FactsOfThisMachine();

struct PerformanceRun {
  std::string date;      // UTC.
  std::string revision;  // Of the code; empty where it is not known.
  MachineFacts machine;
  std::map<std::string, double> figures;
  std::map<std::string, int64_t> measurements;

  friend bool operator==(const PerformanceRun&,
                         const PerformanceRun&) = default;
};

// Creates the file where there is none. All of the line is written or none of
// it; of two programs that append at once, one may lose its line. The errors of
// reading and writing.
absl::Status AppendToHistory(absl::string_view path, const PerformanceRun& run);

// In the order of the file; none if there is no file. InvalidArgument, with
// path and line, for one that is no run.
absl::StatusOr<std::vector<PerformanceRun>> ReadHistory(absl::string_view path);

}  // namespace moe

#endif  // BENCHMARKS_TRACKING_PERFORMANCE_HISTORY_H_
