// Floats on a cache line's border, for what a kernel streams through.

#ifndef MOE_KERNELS_SIMD_ALIGNED_BUFFER_H_
#define MOE_KERNELS_SIMD_ALIGNED_BUFFER_H_

#include <cstdint>
#include <memory>

#include "hwy/aligned_allocator.h"

namespace moe {

// Uninitialised floats, aligned for every vector. Movable.
//
// A large one asks the kernel for huge pages: a kernel that streams through it
// then misses the TLB once in 2 MiB, not once in 4 KiB, and first touch costs
// one fault for 512.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Throws OutOfMemory.
  explicit AlignedBuffer(int64_t num_floats);

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  int64_t size() const { return size_; }

  // At least `num_floats`; the values are lost if it has to grow.
  float* Reserve(int64_t num_floats) {
    if (num_floats > size_) *this = AlignedBuffer(num_floats);
    return data();
  }

 private:
  int64_t size_ = 0;
  hwy::AlignedFreeUniquePtr<float[]> data_;
};

}  // namespace moe

#endif  // MOE_KERNELS_SIMD_ALIGNED_BUFFER_H_
