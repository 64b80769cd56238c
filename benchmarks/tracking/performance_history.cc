#include "benchmarks/tracking/performance_history.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/kernels/simd/simd_target.h"

namespace moe {
namespace {

constexpr int64_t kMaxHistoryBytes = int64_t{64} << 20;

// What stands after the first separator of the file's first line that begins
// so; "unknown" where there is none.
std::string ValueOf(const char* path, absl::string_view name, char separator) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!absl::StartsWith(line, name)) continue;
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(separator, 1));
    return std::string(absl::StripAsciiWhitespace(parts.second));
  }
  return "unknown";
}

// ARM's kernels do not say.
std::string ProcessorName() {
  return ValueOf("/proc/cpuinfo", "model name", ':');
}

std::string DistributionName() {
  return absl::StrReplaceAll(ValueOf("/etc/os-release", "PRETTY_NAME", '='),
                             {{"\"", ""}});
}

Json ToJson(const PerformanceRun& run) {
  Json figures = Json::object();
  for (const auto& [name, value] : run.figures) figures[name] = value;
  Json measurements = Json::object();
  for (const auto& [name, number] : run.measurements) {
    measurements[name] = number;
  }
  const MachineFacts& machine = run.machine;
  return {{"date", run.date},
          {"revision", run.revision},
          {"machine",
           {{"processor", machine.processor},
            {"num_processors", machine.num_processors},
            {"memory_bytes", machine.memory_bytes},
            {"distribution", machine.distribution},
            {"kernel", machine.kernel},
            {"simd_target", machine.simd_target}}},
          {"figures", figures},
          {"measurements", measurements}};
}

absl::StatusOr<const Json*> GetObject(const Json& json, const char* field) {
  const Json* const found = FindField(json, field);
  if (found != nullptr && found->is_object()) return found;
  return absl::InvalidArgumentError(
      absl::StrCat("there is no object \"", field, "\""));
}

absl::StatusOr<PerformanceRun> ParseRun(absl::string_view line) {
  MOE_ASSIGN_OR_RETURN(const Json json, ParseJsonObject(line));
  PerformanceRun run;
  MOE_ASSIGN_OR_RETURN(run.date, Get<std::string>(json, "date"));
  MOE_ASSIGN_OR_RETURN(run.revision, Get<std::string>(json, "revision"));
  MOE_ASSIGN_OR_RETURN(const Json* const machine, GetObject(json, "machine"));
  MOE_ASSIGN_OR_RETURN(run.machine.processor,
                       Get<std::string>(*machine, "processor"));
  MOE_ASSIGN_OR_RETURN(run.machine.num_processors,
                       Get<int64_t>(*machine, "num_processors"));
  MOE_ASSIGN_OR_RETURN(run.machine.memory_bytes,
                       Get<int64_t>(*machine, "memory_bytes"));
  MOE_ASSIGN_OR_RETURN(run.machine.distribution,
                       Get<std::string>(*machine, "distribution"));
  MOE_ASSIGN_OR_RETURN(run.machine.kernel,
                       Get<std::string>(*machine, "kernel"));
  MOE_ASSIGN_OR_RETURN(run.machine.simd_target,
                       Get<std::string>(*machine, "simd_target"));
  MOE_ASSIGN_OR_RETURN(const Json* const figures, GetObject(json, "figures"));
  for (const auto& [name, value] : figures->items()) {
    MOE_ASSIGN_OR_RETURN(run.figures[name], Get<double>(*figures, name));
  }
  MOE_ASSIGN_OR_RETURN(const Json* const measurements,
                       GetObject(json, "measurements"));
  for (const auto& [name, number] : measurements->items()) {
    MOE_ASSIGN_OR_RETURN(run.measurements[name],
                         Get<int64_t>(*measurements, name));
  }
  return run;
}

}  // namespace

MachineFacts FactsOfThisMachine() {
  utsname name = {};
  ::uname(&name);
  return {
      ProcessorName(),
      ::sysconf(_SC_NPROCESSORS_ONLN),
      static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE),
      DistributionName(),
      absl::StrCat(name.sysname, " ", name.release),
      std::string(SimdTargetName(ActiveSimdTarget()))};
}

absl::Status AppendToHistory(absl::string_view path,
                             const PerformanceRun& run) {
  std::string text;
  if (PathExists(path)) {
    MOE_ASSIGN_OR_RETURN(text, ReadFile(path, kMaxHistoryBytes));
    if (!text.empty() && text.back() != '\n') text.push_back('\n');
  }
  absl::StrAppend(&text, ToJson(run).dump(), "\n");
  return WriteFileAtomically(
      path, true, [&](WritableFile& file) { return file.Append(text); });
}

absl::StatusOr<std::vector<PerformanceRun>> ReadHistory(
    absl::string_view path) {
  std::vector<PerformanceRun> runs;
  if (!PathExists(path)) return runs;
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       ReadFile(path, kMaxHistoryBytes));
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (line.empty()) continue;
    absl::StatusOr<PerformanceRun> run = ParseRun(line);
    MOE_RETURN_IF_ERROR(
        Annotate(run.status(), absl::StrCat(path, ", line ", number)));
    runs.push_back(*std::move(run));
  }
  return runs;
}

}  // namespace moe
