#include "moe/experiment/step_timing.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "moe/base/thread_pool.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/experiment/text_proto.h"
#include "moe/kernels/simd/simd_target.h"

namespace moe {
namespace {

double CpuSeconds() {
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) +
                               absl::DurationFromTimeval(usage.ru_stime));
}

// What follows "FIELD" and a colon in a file of lines "FIELD : VALUE"; empty
// without.
std::string FieldOf(const char* path, absl::string_view field) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, field)) continue;
    rest = absl::StripLeadingAsciiWhitespace(rest);
    if (!absl::ConsumePrefix(&rest, ":")) continue;
    return std::string(absl::StripAsciiWhitespace(rest));
  }
  return "";
}

// Linux forgets the most that a process had when a 5 is written here. Without
// that, the number is another step's.
bool ForgetPeak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

int64_t PeakResidentBytes() {
  const std::string text = FieldOf("/proc/self/status", "VmHWM");
  int64_t kibibytes = 0;
  if (!absl::SimpleAtoi(absl::StripSuffix(text, " kB"), &kibibytes)) return 0;
  return kibibytes * 1024;
}

std::string CpuName() {
  std::string name = FieldOf("/proc/cpuinfo", "model name");
  if (!name.empty()) return name;
  // ARM kernels give numbers only.
  utsname machine = {};
  return uname(&machine) == 0 ? machine.machine : "";
}

}  // namespace

std::string TimingPath(absl::string_view step_directory) {
  return absl::StrCat(step_directory, ".timing.textproto");
}

StepStopwatch::StepStopwatch()
    : start_(absl::Now()),
      cpu_seconds_(CpuSeconds()),
      has_peak_(ForgetPeak()) {}

StepTiming StepStopwatch::Read() const {
  StepTiming timing;
  timing.set_wall_seconds(absl::ToDoubleSeconds(absl::Now() - start_));
  timing.set_cpu_seconds(CpuSeconds() - cpu_seconds_);
  if (has_peak_) timing.set_peak_resident_bytes(PeakResidentBytes());
  const absl::StatusOr<int> num_threads = NumThreadsFromEnvironment();
  if (num_threads.ok()) timing.set_num_threads(*num_threads);
  if (SimdTargetFromEnvironment().ok()) {
    timing.set_simd_target(std::string(SimdTargetName(ActiveSimdTarget())));
  }
  timing.set_cpu(CpuName());
  return timing;
}

void AddPart(const StepTiming& part, StepTiming& total) {
  total.set_wall_seconds(total.wall_seconds() + part.wall_seconds());
  total.set_cpu_seconds(total.cpu_seconds() + part.cpu_seconds());
  total.set_peak_resident_bytes(
      std::max(total.peak_resident_bytes(), part.peak_resident_bytes()));
  total.set_num_parts(total.num_parts() + 1);
}

absl::Status WriteTiming(const StepTiming& timing, absl::string_view path) {
  return WriteTextProto(
      timing, "# What a step took, on the machine that ran it.\n", path);
}

std::optional<StepTiming> ReadTiming(absl::string_view path) {
  const absl::StatusOr<StepTiming> timing = ReadTextProto<StepTiming>(path);
  return timing.ok() ? std::optional<StepTiming>(*timing) : std::nullopt;
}

}  // namespace moe
