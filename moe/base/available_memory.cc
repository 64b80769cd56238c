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

// Version 2, of this group alone.
std::optional<int64_t> LeftInControlGroup() {
  for (const absl::string_view line :
       absl::StrSplit(ReadSystemFile("/proc/self/cgroup"), '\n')) {
    absl::string_view group = line;
    if (!absl::ConsumePrefix(&group, "0::")) continue;
    const std::string path = absl::StrCat("/sys/fs/cgroup", group, "/memory.");
    const std::optional<int64_t> limit = ReadNumber(path + "max");
    const std::optional<int64_t> used = ReadNumber(path + "current");
    if (!limit.has_value() || !used.has_value()) return std::nullopt;
    return std::max<int64_t>(0, *limit - *used);
  }
  return std::nullopt;
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

}  // namespace internal

std::optional<int64_t> AvailableMemoryBytes() {
  const std::optional<int64_t> machine =
      internal::ParseMemAvailable(ReadSystemFile("/proc/meminfo"));
  const std::optional<int64_t> group = LeftInControlGroup();
  if (!machine.has_value()) return group;
  return std::min(*machine, group.value_or(*machine));
}

int64_t PeakResidentBytes() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace moe
