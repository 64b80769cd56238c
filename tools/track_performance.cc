// Runs the benchmarks that the registry tracks, holds their figures to it,
// appends them to a history and draws the trend.
//
//   ./bazelw run //tools:track_performance -- --history=FILE --html=FILE
//
// Exit status: 0, 1 where a figure has become worse than its threshold allows,
// or 2 on an error.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmarks/tracking/measure_metrics.h"
#include "benchmarks/tracking/performance_check.h"
#include "benchmarks/tracking/performance_history.h"
#include "benchmarks/tracking/performance_registry.h"
#include "benchmarks/tracking/performance_registry.pb.h"
#include "benchmarks/tracking/performance_trend.h"
#include "benchmarks/tracking/run_benchmark.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/status_macros.h"
#include "tools/cli/flag_set.h"

namespace moe {
namespace {

struct TrackFlags {
  std::string registry;
  std::string benchmarks;
  std::string only;
  std::string history;
  std::string html;
  std::string revision;
};

absl::StatusOr<PerformanceRegistry> ChosenMetrics(const TrackFlags& flags) {
  MOE_ASSIGN_OR_RETURN(PerformanceRegistry registry,
                       ReadPerformanceRegistry(flags.registry));
  PerformanceRegistry chosen;
  for (TrackedMetric& metric : *registry.mutable_metric()) {
    if (absl::StartsWith(metric.name(), flags.only)) {
      *chosen.add_metric() = std::move(metric);
    }
  }
  if (chosen.metric_size() > 0) return chosen;
  return absl::InvalidArgumentError(
      absl::StrCat("--only=", flags.only, ": no metric of ", flags.registry,
                   " has a name that begins so"));
}

BenchmarkRunner Runner(const TrackFlags& flags) {
  return [&flags](const std::string& benchmark,
                  const std::vector<std::string>& rows) {
    std::cerr << benchmark << ": " << rows.size()
              << (rows.size() == 1 ? " row\n" : " rows\n");
    return RunBenchmark(absl::StrCat(flags.benchmarks, "/", benchmark), rows);
  };
}

PerformanceRun RunOf(const std::vector<CheckedMetric>& checked,
                     const TrackFlags& flags) {
  PerformanceRun run;
  run.date =
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone());
  run.revision = flags.revision;
  run.machine = FactsOfThisMachine();
  for (const CheckedMetric& c : checked) {
    run.figures[c.metric.name()] = c.value;
    if (c.measurements > 1) {
      run.measurements[c.metric.name()] = c.measurements;
    }
  }
  return run;
}

absl::StatusOr<int> Track(const TrackFlags& flags) {
  MOE_ASSIGN_OR_RETURN(const PerformanceRegistry registry,
                       ChosenMetrics(flags));
  // Before the work, that it is not lost on a damaged file.
  std::vector<PerformanceRun> runs;
  if (!flags.history.empty()) {
    MOE_ASSIGN_OR_RETURN(runs, ReadHistory(flags.history));
  }
  MOE_ASSIGN_OR_RETURN(const std::vector<CheckedMetric> checked,
                       MeasureMetrics(registry, Runner(flags)));
  std::cout << FormatPerformanceCheck(checked) << std::flush;
  runs.push_back(RunOf(checked, flags));
  if (!flags.history.empty()) {
    MOE_RETURN_IF_ERROR(AppendToHistory(flags.history, runs.back()));
  }
  if (!flags.html.empty()) {
    MOE_RETURN_IF_ERROR(
        WriteFileAtomically(flags.html, true, [&](WritableFile& file) {
          return file.Append(FormatPerformanceTrend(registry, runs));
        }));
  }
  return HasRegression(checked) ? 1 : 0;
}

void Declare(cli::FlagSet& set, TrackFlags* flags) {
  set.AddString({.names = {"registry"}, .what = "what is tracked"},
                &flags->registry);
  set.AddString(
      {.names = {"benchmarks"}, .what = "directory of the benchmark programs"},
      &flags->benchmarks);
  set.AddString({.names = {"only"},
                 .what = "metrics whose names begin so; all without it"},
                &flags->only);
  set.AddString(
      {.names = {"history"}, .what = "file to append this run's figures to"},
      &flags->history);
  set.AddString({.names = {"html"}, .what = "page of the trend to write"},
                &flags->html);
  set.AddString({.names = {"revision"},
                 .what = "what the history calls the code, such as a commit"},
                &flags->revision);
}

// A disk has moods that last for minutes, and a figure of them says nothing of
// the code.
void UseFilesInMemory() {
  constexpr char kMemory[] = "/dev/shm";
  constexpr uintmax_t kLargestBenchmark = uintmax_t{8} << 30;
  std::error_code error;
  const std::filesystem::space_info space =
      std::filesystem::space(kMemory, error);
  if (error || space.available < kLargestBenchmark) return;
  ::setenv("MOE_BENCHMARK_DIR", kMemory, /*overwrite=*/0);
}

// `bazel run` starts programs among their data and says where the user is:
// paths on the command line are relative to there.
absl::Status EnterUsersDirectory(TrackFlags* flags) {
  flags->benchmarks = "benchmarks";
  flags->registry = "benchmarks/registry.textproto";
  const char* const user = std::getenv("BUILD_WORKING_DIRECTORY");
  if (user == nullptr) return absl::OkStatus();
  const std::string here = std::filesystem::current_path().string();
  flags->benchmarks = absl::StrCat(here, "/", flags->benchmarks);
  flags->registry = absl::StrCat(here, "/", flags->registry);
  if (::chdir(user) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot enter ", user));
}

absl::StatusOr<int> Run(int argc, char** argv) {
  TrackFlags flags;
  MOE_RETURN_IF_ERROR(EnterUsersDirectory(&flags));
  CLI::App app;
  app.set_help_flag();
  bool help = false;
  app.add_flag("--help", help);
  cli::FlagSet set(app);
  Declare(set, &flags);
  MOE_RETURN_IF_ERROR(
      set.CheckWords(std::vector<std::string>(argv + 1, argv + argc)));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  if (help) {
    std::cout << "usage: track_performance [flags]\n\n" << set.Help();
    return 0;
  }
  MOE_RETURN_IF_ERROR(set.Store());
  UseFilesInMemory();
  return Track(flags);
}

}  // namespace
}  // namespace moe

int main(int argc, char** argv) {
  const absl::StatusOr<int> exit_status = moe::Run(argc, argv);
  if (exit_status.ok()) return *exit_status;
  std::cerr << "track_performance: " << exit_status.status().message() << "\n";
  return 2;
}
