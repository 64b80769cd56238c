// When there is no memory.
//
// Large arrays throw OutOfMemory, which says how much was wanted; whatever else
// allocates throws std::bad_alloc. Neither leaves a worker thread (ThreadPool
// throws it to the caller), and the edge of each command turns it into a
// status.

#ifndef MOE_BASE_OUT_OF_MEMORY_H_
#define MOE_BASE_OUT_OF_MEMORY_H_

#include <cstdint>
#include <exception>
#include <new>

#include "absl/status/status.h"

namespace moe {

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(int64_t num_bytes) noexcept : num_bytes_(num_bytes) {}
  const char* what() const noexcept override { return "out of memory"; }
  int64_t num_bytes() const { return num_bytes_; }

 private:
  int64_t num_bytes_;
};

// ResourceExhausted: what was wanted, if it is known, what there is, and what a
// user can do.
absl::Status OutOfMemoryStatus(const std::bad_alloc& error);

// Of what was thrown where there was no memory or no thread, or by a library.
absl::Status StatusOfException(const std::exception& error);

}  // namespace moe

#endif  // MOE_BASE_OUT_OF_MEMORY_H_
