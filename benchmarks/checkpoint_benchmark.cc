// Copying a checkpoint through the reader and the writer, beside `cp` of the
// same bytes, with and without sync, in the same run and in turn, so that the
// machine's moods cancel.
//
//   ./bazelw run //benchmarks:checkpoint_benchmark
//
// Floor: every byte is read from the page cache and written to it, as by cp,
// and is then written to the device, since the writer syncs before it renames;
// cp leaves that for later. On a device that is slower than the page cache this
// wait is most of the time, so both comparisons are made:
//   copy_over_cp         median over the rounds of (time of ours / time of cp)
//   copy_over_synced_cp  the same, of cp followed by sync of the copy
//   copy_sec, cp_sec, synced_cp_sec   medians
//   peak_mib             resident memory of the process that copies
// MOE_BENCHMARK_DIR names the folder to work in (default: TMPDIR or /var/tmp,
// which is on a device where /tmp may not be); it needs room for twice
// MOE_BENCHMARK_SIZE (default: 2GiB).

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/measure.h"
#include "moe/base/byte_size.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/json.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe {
namespace {

constexpr int kNumRounds = 9;
constexpr int kNumShards = 4;

std::string FromEnvironment(const char* name, const char* default_value) {
  const char* const value = ::getenv(name);
  return value == nullptr || *value == '\0' ? default_value : value;
}

// A LLaMA of about `size_bytes` in BF16: 70.3 MB a layer, as in a model
// of 1.2e9 parameters, and a small vocabulary.
LlamaConfig SyntheticConfig(int64_t size_bytes) {
  constexpr int64_t kHidden = 2048;
  constexpr int64_t kIntermediate = 4096;
  // q, k, v, o [H, H] with 8 of 32 KV heads; gate, up, down [I, H].
  constexpr int64_t kLayerBytes =
      2 * (kHidden * kHidden * 5 / 2 + 3 * kIntermediate * kHidden);
  const int64_t num_layers = std::max<int64_t>(1, size_bytes / kLayerBytes);
  return ParseLlamaConfig(absl::StrFormat(
                              R"({"model_type": "llama", "vocab_size": 1024,
                     "hidden_size": %d, "intermediate_size": %d,
                     "num_hidden_layers": %d, "num_attention_heads": 32,
                     "num_key_value_heads": 8})",
                              kHidden, kIntermediate, num_layers))
      .value();
}

CheckpointPlan SyntheticPlan(const LlamaConfig& config) {
  CheckpointPlan plan;
  plan.has_index = true;
  plan.contents["config.json"] = FormatJson(config.document);
  for (int i = 0; i < kNumShards; ++i) {
    plan.shards.push_back(
        {absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1, kNumShards),
         {},
         {{"format", "pt"}}});
  }
  int64_t next = 0;
  for (const auto& [name, shape] : DenseTensorSet(config)) {
    plan.shards[static_cast<size_t>(next++ % kNumShards)].tensors.push_back(
        {name, Dtype::kBF16, shape});
  }
  return plan;
}

absl::Status WriteSynthetic(absl::string_view path, int64_t size_bytes) {
  const CheckpointPlan plan = SyntheticPlan(SyntheticConfig(size_bytes));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<CheckpointWriter> writer,
                       CheckpointWriter::Create(path, plan, {}));
  // Not compressible, in case the file system does that.
  RandomStream stream(0, "checkpoint_benchmark");
  std::string block(size_t{1} << 22, '\0');
  for (char& c : block) c = static_cast<char>(stream.NextUint32());
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorSpec& tensor : shard.tensors) {
      for (int64_t left = NumBytes(tensor); left > 0;) {
        const size_t size =
            std::min<size_t>(block.size(), static_cast<size_t>(left));
        MOE_RETURN_IF_ERROR(
            writer->Append(absl::string_view(block).substr(0, size)));
        left -= static_cast<int64_t>(size);
      }
    }
  }
  return writer->Finish();
}

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

struct ProcessCost {
  double elapsed_sec = 0;
  double peak_mib = 0;
};

// Runs `body`, which ends with _exit or exec, in a process of its own.
ProcessCost RunProcess(const std::function<void()>& body) {
  ::sync();
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(1);
  }
  int status = 0;
  rusage usage;
  MOE_CHECK(::wait4(child, &status, 0, &usage) == child);
  MOE_CHECK(status == 0);
  const std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - start;
  return {elapsed.count(), static_cast<double>(usage.ru_maxrss) / 1024};
}

// The working folder, with the synthetic checkpoint in it while it lives.
class Workspace {
 public:
  Workspace() {
    path_ = FromEnvironment("MOE_BENCHMARK_DIR",
                            FromEnvironment("TMPDIR", "/var/tmp").c_str()) +
            "/checkpoint_benchmark_XXXXXX";
    MOE_CHECK(::mkdtemp(path_.data()) != nullptr);
    const absl::StatusOr<int64_t> size_bytes =
        ParseByteSize(FromEnvironment("MOE_BENCHMARK_SIZE", "2GiB"));
    MOE_CHECK(size_bytes.ok());
    const absl::Status written = WriteSynthetic(From(), *size_bytes);
    if (!written.ok()) std::fprintf(stderr, "%s\n", written.ToString().c_str());
    MOE_CHECK(written.ok());
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { PosixFileSystem().RemoveAll(path_).IgnoreError(); }

  std::string From() const { return path_ + "/from"; }
  std::string To() const { return path_ + "/to"; }
  void RemoveTo() const { MOE_CHECK(PosixFileSystem().RemoveAll(To()).ok()); }

 private:
  std::string path_;
};

enum Contender { kCp, kSyncedCp, kCopy, kNumContenders };

ProcessCost RunContender(Contender contender, const std::string& from,
                         const std::string& to) {
  if (contender == kCopy) {
    return RunProcess([&] { ::_exit(CopyCheckpoint(from, to).ok() ? 0 : 1); });
  }
  const std::string command = absl::StrCat(
      "cp -r '", from, "' '", to, "'",
      contender == kSyncedCp ? absl::StrCat(" && sync '", to, "'/*")
                             : std::string());
  return RunProcess(
      [&] { ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr); });
}

void BM_CopyBesideCp(benchmark::State& state) {
  const Workspace workspace;
  std::array<std::vector<double>, kNumContenders> elapsed_sec;
  std::vector<double> peak_mib;
  int first = 0;
  for (auto _ : state) {
    // Each contender is first in some rounds: what one leaves in memory and on
    // the device helps or hinders the next.
    ++first;
    for (int i = 0; i < kNumContenders; ++i) {
      const Contender contender =
          static_cast<Contender>((first + i) % kNumContenders);
      const ProcessCost cost =
          RunContender(contender, workspace.From(), workspace.To());
      workspace.RemoveTo();
      elapsed_sec[contender].push_back(cost.elapsed_sec);
      if (contender == kCopy) peak_mib.push_back(cost.peak_mib);
    }
    state.SetIterationTime(elapsed_sec[kCopy].back());
  }
  state.counters["copy_over_cp"] =
      MedianRatio(elapsed_sec[kCopy], elapsed_sec[kCp]);
  state.counters["copy_over_synced_cp"] =
      MedianRatio(elapsed_sec[kCopy], elapsed_sec[kSyncedCp]);
  state.counters["copy_sec"] = Median(elapsed_sec[kCopy]);
  state.counters["cp_sec"] = Median(elapsed_sec[kCp]);
  state.counters["synced_cp_sec"] = Median(elapsed_sec[kSyncedCp]);
  state.counters["peak_mib"] = Median(peak_mib);
}
BENCHMARK(BM_CopyBesideCp)
    ->UseManualTime()
    ->Iterations(kNumRounds)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moe

BENCHMARK_MAIN();
