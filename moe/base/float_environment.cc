#include "moe/base/float_environment.h"

#include <cfenv>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace moe::base {
namespace {

#if defined(__x86_64__)
// MXCSR (Intel SDM volume 1, section 10.2.3): bit 15 is flush-to-zero, bit 6
// denormals-are-zero.
constexpr uint32_t kFlushBits = (1u << 15) | (1u << 6);
bool FlushesDenormals() { return (_mm_getcsr() & kFlushBits) != 0; }
void KeepDenormals() { _mm_setcsr(_mm_getcsr() & ~kFlushBits); }
#elif defined(__aarch64__)
// FPCR (Arm ARM, section C5.2.8): bit 24 is FZ, bit 19 FZ16, bit 0 FIZ.
constexpr uint64_t kFlushBits = (1u << 24) | (1u << 19) | 1u;
uint64_t ReadFpcr() {
  uint64_t fpcr;
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(fpcr));
  return fpcr;
}
bool FlushesDenormals() { return (ReadFpcr() & kFlushBits) != 0; }
void KeepDenormals() {
  __asm__ __volatile__("msr fpcr, %0" : : "r"(ReadFpcr() & ~kFlushBits));
}
#else
#error "The numerics contract is defined for x86-64 and AArch64."
#endif

// Volatile, so that the compiler leaves the arithmetic to the machine.
bool ComputesWithDenormals() {
  volatile float smallest_normal = std::numeric_limits<float>::min();
  volatile float half = 0.5f;
  volatile float denormal = smallest_normal * half;
  volatile float back = denormal + denormal;
  return denormal != 0.0f && back == smallest_normal;
}

// 1 + 2^-24 is halfway between 1 and the next float, and -1 - 2^-24 between -1
// and the float below. Rounding to nearest even gives 1 and -1. Every other
// mode changes at least one of the two.
bool RoundsToNearestEven() {
  volatile float one = 1.0f;
  volatile float half_ulp = 0x1p-24f;
  volatile float above = one + half_ulp;
  volatile float below = -one - half_ulp;
  volatile float odd = one + 0x1p-23f;  // Its last bit is 1: the tie goes up.
  volatile float tie_up = odd + half_ulp;
  return above == 1.0f && below == -1.0f && tie_up == 1.0f + 0x1p-22f;
}

absl::Status WrongMode(absl::string_view stage, absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(
      stage,
      ": expected the floating-point modes that results depend on, found ",
      what,
      " on this thread; remove the library that changed them (linked with "
      "-Ofast or -ffast-math, or named by LD_PRELOAD)"));
}

}  // namespace

void SetFloatEnvironment() {
  std::fesetround(FE_TONEAREST);
  KeepDenormals();
}

absl::Status CheckFloatEnvironment(absl::string_view stage) {
  if (FlushesDenormals() || !ComputesWithDenormals()) {
    return WrongMode(stage, "denormal numbers flushed to zero");
  }
  if (std::fegetround() != FE_TONEAREST || !RoundsToNearestEven()) {
    return WrongMode(stage, "rounding to other than the nearest even number");
  }
  return absl::OkStatus();
}

}  // namespace moe::base
