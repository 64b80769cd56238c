// A shared library that switches flush-to-zero and denormals-are-zero on for
// the thread that loads it, as one that was linked with -Ofast does. For
// LD_PRELOAD.

#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <cstdint>
#endif

namespace {

[[gnu::constructor]] void FlushToZero() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | (1u << 15) | (1u << 6));
#else
  uint64_t fpcr;
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(fpcr));
  __asm__ __volatile__("msr fpcr, %0" : : "r"(fpcr | (uint64_t{1} << 24)));
#endif
}

}  // namespace
