// Copies a checkpoint as conversions read and write one, and compares the time
// with `cp` of the same bytes.
//
//   ./bazelw run //benchmarks:checkpoint_benchmark
//
// The floor: every byte is read from the page cache and written to it, as cp
// does. The writer syncs before it renames, so every byte is then written to
// the device. cp leaves that for later. On a device that is slower than the
// page cache, most of the time is this wait. So the benchmark compares with cp
// alone and with cp followed by sync. The counters and the working folder are
// those of beside_cp.h; the folder needs room for twice MOE_BENCHMARK_SIZE.

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/beside_cp.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumRounds = 9;

// Converts without changing a tensor.
absl::Status CopyCheckpoint(const std::string& from, const std::string& to) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(from));
  MOE_ASSIGN_OR_RETURN(
      const std::string config,
      base::ReadFile(absl::StrCat(from, "/", checkpoint::kConfigFile),
                     int64_t{1} << 20));
  MOE_ASSIGN_OR_RETURN(
      convert::ConversionPlan plan,
      convert::PlanConversion(checkpoint, {{checkpoint::kConfigFile, config}},
                              [](const checkpoint::TensorName& name,
                                 const checkpoint::TensorLocation& location)
                                  -> absl::StatusOr<convert::Replacement> {
                                return convert::CopyAs(name, location);
                              }));
  base::ThreadPool pool(base::NumThreadsFromEnvironment().value());
  base::Progress progress(base::Progress::Style::kSilent, {});
  return convert::WriteConversion(std::move(plan), checkpoint, {to},
                                  {pool, progress})
      .status();
}

void BM_CopyBesideCp(benchmark::State& state) {
  const BenchmarkDirectory directory("checkpoint_benchmark");
  const std::string from = directory.Path("from");
  const std::string to = directory.Path("to");
  MOE_CHECK(WriteSyntheticCheckpoint(from).ok());
  RunBesideCp({from, to, [&] { return CopyCheckpoint(from, to); }, "copy"},
              state);
}
BENCHMARK(BM_CopyBesideCp)
    ->UseManualTime()
    ->Iterations(kNumRounds)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
