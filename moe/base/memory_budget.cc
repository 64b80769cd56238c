#include "moe/base/memory_budget.h"

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/byte_size.h"
#include "moe/base/check.h"

namespace moe {

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
      what, " needs ", FormatByteSize(num_bytes),
      ", and of the memory budget of ", FormatByteSize(limit_bytes_), " ",
      FormatByteSize(reserved), " are in use; run with --memory_budget=",
      num_bytes + reserved, " or more"));
}

int64_t MemoryBudget::reserved_bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return reserved_bytes_;
}

void MemoryBudget::Release(int64_t num_bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  reserved_bytes_ -= num_bytes;
}

}  // namespace moe
