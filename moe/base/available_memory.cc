#include "moe/base/available_memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/byte_size.h"

namespace moe {
namespace {

// Files of /proc and /sys have no size; empty where there is none.
std::string ReadSystemFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::optional<int64_t> ReadNumber(const std::string& path) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(ReadSystemFile(path)),
                        &number)) {
    return std::nullopt;  // "max": no limit.
  }
  return number;
}

// Pages of files, which the group gives back before it runs out.
int64_t CachedBytes(const std::string& stat) {
  int64_t sum = 0;
  for (const absl::string_view line : absl::StrSplit(stat, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    int64_t bytes = 0;
    if (words.size() == 2 &&
        (words[0] == "inactive_file" || words[0] == "active_file") &&
        absl::SimpleAtoi(words[1], &bytes)) {
      sum += bytes;
    }
  }
  return sum;
}

// The group's path in the hierarchy of version 2; empty where there is none.
std::string ControlGroup() {
  for (const absl::string_view line :
       absl::StrSplit(ReadSystemFile("/proc/self/cgroup"), '\n')) {
    absl::string_view group = line;
    if (absl::ConsumePrefix(&group, "0::")) return std::string(group);
  }
  return "";
}

// A line "VmSize:  1234 kB" of what the system knows of this process.
std::optional<int64_t> OwnMemory(absl::string_view name) {
  const std::string status = ReadSystemFile("/proc/self/status");
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (!absl::ConsumePrefix(&line, name)) continue;
    if (!absl::ConsumePrefix(&line, ":")) continue;
    int64_t kibibytes = 0;
    line = absl::StripAsciiWhitespace(absl::StripSuffix(line, "kB"));
    if (absl::SimpleAtoi(line, &kibibytes)) return kibibytes * 1024;
  }
  return std::nullopt;
}

// What a limit of this process (RLIMIT_AS) leaves of what `name` counts.
std::optional<int64_t> LeftOfLimit(int limit, absl::string_view name) {
  rlimit bytes = {};
  const std::optional<int64_t> used = OwnMemory(name);
  if (::getrlimit(limit, &bytes) != 0 || bytes.rlim_cur == RLIM_INFINITY ||
      !used.has_value()) {
    return std::nullopt;
  }
  return std::max<int64_t>(0, static_cast<int64_t>(bytes.rlim_cur) - *used);
}

}  // namespace

namespace internal {

std::optional<int64_t> ParseMemAvailable(absl::string_view meminfo) {
  for (const absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t kib = 0;
    if (words.size() == 3 && words[0] == "MemAvailable:" && words[2] == "kB" &&
        absl::SimpleAtoi(words[1], &kib)) {
      return kib * 1024;
    }
  }
  return std::nullopt;
}

std::optional<int64_t> LeftInControlGroup(const std::string& root,
                                          std::string group) {
  std::optional<int64_t> least;
  // A limit of any group around this one counts.
  for (; !group.empty(); group.resize(group.find_last_of('/'))) {
    const std::string path = absl::StrCat(root, group, "/memory.");
    const std::optional<int64_t> limit = ReadNumber(path + "max");
    const std::optional<int64_t> used = ReadNumber(path + "current");
    if (!limit.has_value() || !used.has_value()) continue;
    const int64_t left =
        *limit - *used + CachedBytes(ReadSystemFile(path + "stat"));
    least = std::min(std::max<int64_t>(0, left), least.value_or(left));
  }
  return least;
}

}  // namespace internal

std::optional<int64_t> AvailableMemoryBytes() {
  std::optional<int64_t> least =
      internal::ParseMemAvailable(ReadSystemFile("/proc/meminfo"));
  for (const std::optional<int64_t>& other :
       {internal::LeftInControlGroup("/sys/fs/cgroup", ControlGroup()),
        LeftOfLimit(RLIMIT_AS, "VmSize"), LeftOfLimit(RLIMIT_DATA, "VmData")}) {
    if (other.has_value()) least = std::min(*other, least.value_or(*other));
  }
  return least;
}

int64_t PeakResidentBytes() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

std::string DescribeMemory() {
  const std::optional<int64_t> resident = OwnMemory("VmRSS");
  const std::optional<int64_t> available = AvailableMemoryBytes();
  return absl::StrCat(
      resident.has_value() ? FormatByteSize(*resident) : "an unknown amount",
      " resident, ",
      available.has_value() ? FormatByteSize(*available) : "an unknown amount",
      " available to this process");
}

}  // namespace moe
