#include "moe/base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "hwy/aligned_allocator.h"
#include "moe/base/out_of_memory.h"

namespace moe::internal {
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

AlignedBytes AllocateAlignedBytes(int64_t num_bytes) {
  if (num_bytes == 0) return nullptr;
  const auto size = static_cast<size_t>(num_bytes);
  AlignedBytes bytes = hwy::AllocateAligned<char>(size);
  if (bytes == nullptr) throw OutOfMemory(num_bytes);
  AskForHugePages(bytes.get(), size);
  return bytes;
}

}  // namespace moe::internal
