#include "moe/kernels/simd/aligned_buffer.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "hwy/aligned_allocator.h"
#include "moe/base/check.h"
#include "moe/base/out_of_memory.h"

namespace moe {
namespace {

constexpr uintptr_t kHugePageBytes = uintptr_t{2} << 20;

// A hint, so its failure is none: it changes how fast memory is, not what is in
// it. Only for the huge pages that lie inside of the buffer, as the rest of the
// border pages belongs to others.
void AskForHugePages(void* data, size_t num_bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first =
      (begin + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  const uintptr_t last = (begin + num_bytes) / kHugePageBytes * kHugePageBytes;
  if (first < last) {
    madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  }
}

}  // namespace

AlignedBuffer::AlignedBuffer(int64_t num_floats) : size_(num_floats) {
  MOE_CHECK(num_floats >= 0);
  if (num_floats == 0) return;
  data_ = hwy::AllocateAligned<float>(static_cast<size_t>(num_floats));
  if (data_ == nullptr) {
    throw OutOfMemory(num_floats * static_cast<int64_t>(sizeof(float)));
  }
  AskForHugePages(data_.get(), static_cast<size_t>(num_floats) * sizeof(float));
}

}  // namespace moe
