#include "moe/base/memory_budget.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/byte_size.h"
#include "moe/base/check.h"

namespace moe::base {

MemoryBudget::Reservation::~Reservation() {
  if (budget_ != nullptr) budget_->Release(num_bytes_);
}

MemoryBudget::MemoryBudget(int64_t limit_bytes) : limit_bytes_(limit_bytes) {
  MOE_CHECK(limit_bytes >= 0);
}

std::optional<MemoryBudget::Reservation> MemoryBudget::TryReserve(
    int64_t num_bytes) {
  MOE_CHECK(num_bytes >= 0);
  std::lock_guard<std::mutex> lock(mutex_);
  // Written so that nothing can overflow.
  if (num_bytes > limit_bytes_ - reserved_bytes_) return std::nullopt;
  reserved_bytes_ += num_bytes;
  return Reservation(this, num_bytes);
}

absl::StatusOr<MemoryBudget::Reservation> MemoryBudget::Reserve(
    int64_t num_bytes, absl::string_view what) {
  std::optional<Reservation> reservation = TryReserve(num_bytes);
  if (reservation.has_value()) return std::move(*reservation);
  const int64_t reserved = reserved_bytes();
  return absl::ResourceExhaustedError(absl::StrCat(
      what, ": expected ", FormatByteSize(num_bytes),
      " of the memory budget to be free, found ", FormatByteSize(reserved),
      " of ", FormatByteSize(limit_bytes_),
      " in use; run with --memory_budget=", num_bytes + reserved, " or more"));
}

int64_t MemoryBudget::reserved_bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return reserved_bytes_;
}

void MemoryBudget::Release(int64_t num_bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  reserved_bytes_ -= num_bytes;
}

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

absl::Status OutOfMemoryStatus(const std::bad_alloc& error) {
  const auto* const known = dynamic_cast<const OutOfMemory*>(&error);
  const std::string wanted =
      known != nullptr ? FormatByteSize(known->num_bytes()) : "some memory";
  return absl::ResourceExhaustedError(absl::StrCat(
      "out of memory: expected ", wanted, " more, found none (",
      DescribeMemory(),
      "); give a smaller --memory_budget, fewer threads (MOE_NUM_THREADS), or "
      "the process more memory (ulimit -v)"));
}

absl::Status StatusOfException(const std::exception& error) {
  if (const auto* const no_memory =
          dynamic_cast<const std::bad_alloc*>(&error)) {
    return OutOfMemoryStatus(*no_memory);
  }
  const auto* const system = dynamic_cast<const std::system_error*>(&error);
  if (system != nullptr &&
      system->code() == std::errc::resource_unavailable_try_again) {
    return absl::ResourceExhaustedError(
        "expected another thread, found that the system gives none; set "
        "MOE_NUM_THREADS to fewer, or "
        "allow the process more (ulimit -u, pids.max of its control group)");
  }
  return absl::InternalError(error.what());
}

}  // namespace moe::base
