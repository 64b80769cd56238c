// Compares work on a checkpoint with `cp` of the same bytes, with and without
// sync. They take turns in one run, so that the machine's load affects them
// alike.

#ifndef BENCHMARKS_BESIDE_CP_H_
#define BENCHMARKS_BESIDE_CP_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "benchmark/benchmark.h"

namespace moe::benchmarks {

// A folder to work in. It exists while this object lives. It lies in
// MOE_BENCHMARK_DIR, by default in TMPDIR or else in /var/tmp. The default is
// not /tmp, which may be in memory.
class BenchmarkDirectory {
 public:
  explicit BenchmarkDirectory(const std::string& name);
  BenchmarkDirectory(const BenchmarkDirectory&) = delete;
  BenchmarkDirectory& operator=(const BenchmarkDirectory&) = delete;
  ~BenchmarkDirectory();

  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Writes a LLaMA of about MOE_BENCHMARK_SIZE (default: 2GiB) in BF16, in four
// shards. A layer has 71.3 MB, as in a model of 1.2e9 parameters.
absl::Status WriteSyntheticCheckpoint(const std::string& path);

struct BesideCp {
  std::string from;  // What `cp` copies.
  std::string to;    // Where both write; removed after each turn.
  // Runs in a process of its own.
  std::function<absl::Status()> work;
  std::string name;  // NAME of the counters, such as "copy".
};

// Runs the rounds of `state` and sets the counters
//   NAME_over_cp         median over the rounds of (time of work / time of cp)
//   NAME_over_synced_cp  the same with cp followed by sync of the copy
//   NAME_sec, cp_sec, synced_cp_sec   median times
//   peak_mib             peak resident memory of the process that works
void RunBesideCp(const BesideCp& contest, benchmark::State& state);

}  // namespace moe::benchmarks

#endif  // BENCHMARKS_BESIDE_CP_H_
