#include "moe/kernels/math/exp.h"

#include <cstddef>
#include <cstring>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/float_environment.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/simd/simd_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/math/exp.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/math/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

void ExpArray(const float* x, size_t size, float* y) {
  const hn::CappedTag<float, 16> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(Exp(d, hn::LoadU(d, x + i)), d, y + i);
  }
  if (i == size) return;
  HWY_ALIGN float rest[16] = {};
  std::memcpy(rest, x + i, (size - i) * sizeof(float));
  hn::Store(Exp(d, hn::Load(d, rest)), d, rest);
  std::memcpy(y + i, rest, (size - i) * sizeof(float));
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace {
HWY_EXPORT(ExpArray);
}  // namespace

void Exp(absl::Span<const float> x, absl::Span<float> y) {
  MOE_CHECK(x.size() == y.size());
  base::SetFloatEnvironment();  // The pool does it for kernels with threads.
  if (IsScalarTarget()) {
    for (size_t i = 0; i < x.size(); ++i) y[i] = Exp(x[i]);
    return;
  }
  HWY_DYNAMIC_DISPATCH(ExpArray)(x.data(), x.size(), y.data());
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
