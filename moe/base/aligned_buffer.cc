#include "moe/base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "hwy/aligned_allocator.h"
#include "moe/base/memory_budget.h"

namespace moe::base::internal {
namespace {

constexpr uintptr_t kHugePageBytes = uintptr_t{2} << 20;

// Only a hint: it changes the speed of the memory and not its contents, so a
// failure is ignored. It covers only the huge pages that lie wholly inside the
// buffer, because others use the rest of the pages at its ends.
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

}  // namespace moe::base::internal
