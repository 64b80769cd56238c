// Copying a checkpoint through the reader and the writer, beside `cp` of the
// same bytes.
//
//   ./bazelw run //benchmarks:checkpoint_benchmark
//
// Floor: every byte is read from the page cache and written to it, as by cp,
// and is then written to the device, since the writer syncs before it renames;
// cp leaves that for later. On a device that is slower than the page cache this
// wait is most of the time, so both comparisons are made. The counters and the
// working folder are those of beside_cp.h; it needs room for twice
// MOE_BENCHMARK_SIZE.

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/beside_cp.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"

namespace moe {
namespace {

constexpr int kNumRounds = 9;

absl::Status CopyCheckpoint(const std::string& from, const std::string& to) {
  MOE_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(from));
  MOE_ASSIGN_OR_RETURN(CheckpointPlan plan, PlanCopy(checkpoint));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<CheckpointWriter> writer,
                       CheckpointWriter::Create(to, std::move(plan), {}));
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      MOE_RETURN_IF_ERROR(writer->AppendTensor(shard, tensor));
    }
  }
  return writer->Finish();
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
}  // namespace moe

int main(int argc, char** argv) { return moe::RunBenchmarks(argc, argv); }
