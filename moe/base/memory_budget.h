// The memory a step may hold at once, shared by all of its parts.
//
// A budget decides where data lies, in memory or spilled to a file, and never
// what is computed. Parts ask before they allocate:
//
//   MemoryBudget budget(*ParseByteSize("2GiB"));
//   MemoryBudget::Reservation weights = ...;
//   if (auto r = budget.TryReserve(num_bytes)) { keep it } else { spill }
//
// Thread-safe. It counts what is declared to it; it does not watch the
// allocator.

#ifndef MOE_BASE_MEMORY_BUDGET_H_
#define MOE_BASE_MEMORY_BUDGET_H_

#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

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

  // The share, or nothing where it does not fit: for what can be spilled.
  std::optional<Reservation> TryReserve(int64_t num_bytes);

  // The share, or ResourceExhausted that names `what`, the amounts, and the
  // smallest budget that would do: for what cannot be spilled.
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

}  // namespace moe

#endif  // MOE_BASE_MEMORY_BUDGET_H_
