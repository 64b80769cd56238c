// The memory a step may hold at once, shared by all of its parts.
//
// A budget decides whether data lies in memory or in a spill file. It never
// changes a result. Each part asks before it allocates:
//
//   MemoryBudget budget(*ParseByteSize("2GiB"));
//   MemoryBudget::Reservation weights = ...;
//   if (auto r = budget.TryReserve(num_bytes)) { keep it } else { spill }
//
// Thread-safe. The budget counts only declared memory; it does not watch the
// allocator.

#ifndef MOE_BASE_MEMORY_BUDGET_H_
#define MOE_BASE_MEMORY_BUDGET_H_

#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::base {

class MemoryBudget {
 public:
  static constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

  // Holds a share of the budget until destroyed. Movable. The budget must
  // outlive it.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)),
          num_bytes_(std::exchange(other.num_bytes_, 0)) {}
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(num_bytes_, other.num_bytes_);
      return *this;
    }
    ~Reservation();

    int64_t num_bytes() const { return num_bytes_; }

   private:
    friend class MemoryBudget;
    Reservation(MemoryBudget* budget, int64_t num_bytes)
        : budget_(budget), num_bytes_(num_bytes) {}

    MemoryBudget* budget_ = nullptr;
    int64_t num_bytes_ = 0;
  };

  // `limit_bytes` must not be negative.
  explicit MemoryBudget(int64_t limit_bytes = kUnlimited);

  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // For data that can be spilled. Returns the share, or nothing if it does not
  // fit.
  std::optional<Reservation> TryReserve(int64_t num_bytes);

  // For data that cannot be spilled. Returns the share, or ResourceExhausted
  // with `what`, the amounts and the smallest budget that is enough.
  absl::StatusOr<Reservation> Reserve(int64_t num_bytes,
                                      absl::string_view what);

  int64_t limit_bytes() const { return limit_bytes_; }
  int64_t reserved_bytes() const;

 private:
  void Release(int64_t num_bytes);

  const int64_t limit_bytes_;
  mutable std::mutex mutex_;
  int64_t reserved_bytes_ = 0;
};

// How much memory this process may still take: the least of MemAvailable of
// /proc/meminfo (memory without swapping), the rest of its control group, and
// the rest of its own limits (ulimit -v, ulimit -d). Nothing if the system does
// not report any of them.
std::optional<int64_t> AvailableMemoryBytes();

// The peak resident memory of this process so far.
int64_t PeakResidentBytes();

// For messages: "1.50 GiB resident, 300.00 MiB available to this process".
std::string DescribeMemory();

namespace internal {

// The memory that is left in the control group `group` ("/user.slice/x") of the
// version 2 hierarchy in `root` and in the groups around it: limit less use,
// where cached pages of files do not count as used. Nothing if no group has a
// limit. Ignores limits of version 1.
std::optional<int64_t> LeftInControlGroup(const std::string& root,
                                          std::string group);

// From the text of /proc/meminfo.
std::optional<int64_t> ParseMemAvailable(absl::string_view meminfo);

}  // namespace internal

// Large arrays throw OutOfMemory, which holds the amount that was asked for;
// other allocations throw std::bad_alloc. Neither leaves a worker thread
// (ThreadPool throws it to the caller), and each command turns it into a
// status.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(int64_t num_bytes) noexcept : num_bytes_(num_bytes) {}
  const char* what() const noexcept override { return "out of memory"; }
  int64_t num_bytes() const { return num_bytes_; }

 private:
  int64_t num_bytes_;
};

// ResourceExhausted with the amount that was asked for, if it is known, the
// memory that there is, and what a user can do.
absl::Status OutOfMemoryStatus(const std::bad_alloc& error);

// The status for an exception: no memory, no thread, or an error of a library.
absl::Status StatusOfException(const std::exception& error);

}  // namespace moe::base

#endif  // MOE_BASE_MEMORY_BUDGET_H_
