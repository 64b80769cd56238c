#include "benchmarks/beside_cp.h"

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
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/measure.h"
#include "moe/base/byte_size.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumShards = 4;

std::string FromEnvironment(const char* name, const char* default_value) {
  const char* const value = ::getenv(name);
  return value == nullptr || *value == '\0' ? default_value : value;
}

// A LLaMA of about `size_bytes` in BF16 with a small vocabulary. A layer has
// 71.3 MB, as in a model of 1.2e9 parameters.
checkpoint::LlamaConfig SyntheticConfig(int64_t size_bytes) {
  constexpr int64_t kHidden = 2048;
  constexpr int64_t kIntermediate = 4096;
  // q, k, v, o [H, H] with 8 of 32 KV heads; gate, up, down [I, H].
  constexpr int64_t kLayerBytes =
      2 * (kHidden * kHidden * 5 / 2 + 3 * kIntermediate * kHidden);
  const int64_t num_layers = std::max<int64_t>(1, size_bytes / kLayerBytes);
  return checkpoint::ParseLlamaConfig(
             absl::StrFormat(
                 R"({"model_type": "llama", "vocab_size": 1024,
                     "hidden_size": %d, "intermediate_size": %d,
                     "num_hidden_layers": %d, "num_attention_heads": 32,
                     "num_key_value_heads": 8})",
                 kHidden, kIntermediate, num_layers))
      .value();
}

checkpoint::CheckpointPlan SyntheticPlan(
    const checkpoint::LlamaConfig& config) {
  checkpoint::CheckpointPlan plan;
  plan.has_index = true;
  plan.contents["config.json"] = base::FormatJson(config.document);
  for (int i = 0; i < kNumShards; ++i) {
    plan.shards.push_back(
        {absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1, kNumShards),
         {},
         {{"format", "pt"}}});
  }
  int64_t next = 0;
  for (const auto& [name, shape] : checkpoint::DenseTensorSet(config)) {
    plan.shards[static_cast<size_t>(next++ % kNumShards)].tensors.push_back(
        {name, checkpoint::Dtype::kBF16, shape});
  }
  return plan;
}

}  // namespace

absl::Status WriteSyntheticCheckpoint(const std::string& path) {
  MOE_ASSIGN_OR_RETURN(
      const int64_t size_bytes,
      base::ParseByteSize(FromEnvironment("MOE_BENCHMARK_SIZE", "2GiB")));
  const checkpoint::CheckpointPlan plan =
      SyntheticPlan(SyntheticConfig(size_bytes));
  MOE_ASSIGN_OR_RETURN(
      const std::unique_ptr<checkpoint::CheckpointWriter> writer,
      checkpoint::CheckpointWriter::Create(path, plan, {}));
  // Random bytes, so that a file system cannot compress them. The exponent's
  // upper bit, in the upper byte, is 0: every weight is finite and below 2 in
  // magnitude.
  base::RandomStream stream(0, "synthetic_checkpoint");
  std::string block(size_t{1} << 22, '\0');
  for (size_t i = 0; i < block.size(); ++i) {
    block[i] =
        static_cast<char>(stream.NextUint32() & (i % 2 == 1 ? 0xbf : 0xff));
  }
  for (const checkpoint::ShardPlan& shard : plan.shards) {
    for (const checkpoint::TensorSpec& tensor : shard.tensors) {
      for (int64_t left = checkpoint::NumBytes(tensor); left > 0;) {
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

BenchmarkDirectory::BenchmarkDirectory(const std::string& name)
    : path_(FromEnvironment("MOE_BENCHMARK_DIR",
                            FromEnvironment("TMPDIR", "/var/tmp").c_str()) +
            "/" + name + "_XXXXXX") {
  MOE_CHECK(::mkdtemp(path_.data()) != nullptr);
}

BenchmarkDirectory::~BenchmarkDirectory() {
  base::PosixFileSystem().RemoveAll(path_).IgnoreError();
}

namespace {

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

enum Contender { kCp, kSyncedCp, kWork, kNumContenders };

ProcessCost RunContender(Contender contender, const BesideCp& contest) {
  if (contender == kWork) {
    return RunProcess([&] {
      const absl::Status status = contest.work();
      if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
      ::_exit(status.ok() ? 0 : 1);
    });
  }
  const std::string command = absl::StrCat(
      "cp -r '", contest.from, "' '", contest.to, "'",
      contender == kSyncedCp ? absl::StrCat(" && sync '", contest.to, "'/*")
                             : std::string());
  return RunProcess(
      [&] { ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr); });
}

}  // namespace

void RunBesideCp(const BesideCp& contest, benchmark::State& state) {
  std::array<std::vector<double>, kNumContenders> elapsed_sec;
  double peak_mib = 0;
  int first = 0;
  for (auto _ : state) {
    // What a contender leaves in memory and on the device helps or hinders the
    // next one. So each is first in some rounds.
    ++first;
    for (int i = 0; i < kNumContenders; ++i) {
      const auto contender =
          static_cast<Contender>((first + i) % kNumContenders);
      const ProcessCost cost = RunContender(contender, contest);
      MOE_CHECK(base::PosixFileSystem().RemoveAll(contest.to).ok());
      elapsed_sec[contender].push_back(cost.elapsed_sec);
      if (contender == kWork) peak_mib = std::max(peak_mib, cost.peak_mib);
    }
    state.SetIterationTime(elapsed_sec[kWork].back());
  }
  state.counters[contest.name + "_over_cp"] =
      MedianRatio(elapsed_sec[kWork], elapsed_sec[kCp]);
  state.counters[contest.name + "_over_synced_cp"] =
      MedianRatio(elapsed_sec[kWork], elapsed_sec[kSyncedCp]);
  state.counters[contest.name + "_sec"] = Median(elapsed_sec[kWork]);
  state.counters["cp_sec"] = Median(elapsed_sec[kCp]);
  state.counters["synced_cp_sec"] = Median(elapsed_sec[kSyncedCp]);
  state.counters["peak_mib"] = peak_mib;
}

}  // namespace moe::benchmarks
