// A buffer of numbers that starts at a cache line, for kernels to stream
// through.

#ifndef MOE_BASE_ALIGNED_BUFFER_H_
#define MOE_BASE_ALIGNED_BUFFER_H_

#include <cstdint>
#include <type_traits>

#include "hwy/aligned_allocator.h"
#include "moe/base/check.h"

namespace moe::base {
namespace internal {

using AlignedBytes = hwy::AlignedFreeUniquePtr<char[]>;

// Null for no bytes. Throws OutOfMemory.
AlignedBytes AllocateAlignedBytes(int64_t num_bytes);

}  // namespace internal

// Uninitialised numbers, aligned for every vector. Movable.
//
// A large buffer asks the system for huge pages. A kernel that streams through
// it then misses the TLB once in 2 MiB instead of once in 4 KiB, and the first
// touch of 2 MiB costs one page fault instead of 512.
template <typename T>
class AlignedBuffer {
  static_assert(std::is_arithmetic_v<T>);

 public:
  AlignedBuffer() = default;
  // Throws OutOfMemory.
  explicit AlignedBuffer(int64_t size) : size_(size) {
    MOE_CHECK(size >= 0);
    bytes_ =
        internal::AllocateAlignedBytes(size * static_cast<int64_t>(sizeof(T)));
  }

  T* data() { return reinterpret_cast<T*>(bytes_.get()); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.get()); }
  int64_t size() const { return size_; }

  // Returns room for at least `size` numbers. The values are lost if the buffer
  // has to grow.
  T* Reserve(int64_t size) {
    if (size > size_) *this = AlignedBuffer(size);
    return data();
  }

 private:
  int64_t size_ = 0;
  internal::AlignedBytes bytes_;
};

}  // namespace moe::base

#endif  // MOE_BASE_ALIGNED_BUFFER_H_
