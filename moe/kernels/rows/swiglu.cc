#include "moe/kernels/rows/swiglu.h"

#include <cstdint>
#include <cstring>

#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/swiglu.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/math/exp-inl.h"
#include "moe/kernels/rows/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

// 1 + exp(-x), the denominator of both sigmoid and silu.
HWY_INLINE VF Denominator(VF x) {
  const DF d;
  return hn::Add(hn::Set(d, 1.0f), Exp(d, hn::Neg(x)));
}

// s (1 + x (1 - s)), the derivative of silu.
HWY_INLINE VF SiluSlope(VF x, VF denominator) {
  const VF one = hn::Set(DF(), 1.0f);
  const VF s = hn::Div(one, denominator);
  return hn::Mul(s, hn::Add(one, hn::Mul(x, hn::Sub(one, s))));
}

void SwiGluRow(int64_t n, const float* gate, const float* up, float* y) {
  MapRow(
      n, y,
      [](VF g, VF u)
          HWY_ATTR { return hn::Mul(hn::Div(g, Denominator(g)), u); },
      gate, up);
}

// Computes both outputs of kFloatLanes elements from one exponential each.
HWY_INLINE void SwiGluBackwardBlock(const float* gate, const float* up,
                                    const float* dy, float* d_gate,
                                    float* d_up) {
  const DF d;
  const VF g = hn::LoadU(d, gate);
  const VF u = hn::LoadU(d, up);
  const VF gradient = hn::LoadU(d, dy);
  const VF denominator = Denominator(g);
  hn::StoreU(hn::Mul(hn::Mul(gradient, u), SiluSlope(g, denominator)), d,
             d_gate);
  hn::StoreU(hn::Mul(gradient, hn::Div(g, denominator)), d, d_up);
}

void SwiGluBackwardRow(int64_t n, const float* gate, const float* up,
                       const float* dy, float* d_gate, float* d_up) {
  int64_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    SwiGluBackwardBlock(gate + i, up + i, dy + i, d_gate + i, d_up + i);
  }
  if (i == n) return;
  HWY_ALIGN float last_gate[kFloatLanes];
  HWY_ALIGN float last_up[kFloatLanes];
  SwiGluBackwardBlock(PaddedFloats(gate + i, n - i).values,
                      PaddedFloats(up + i, n - i).values,
                      PaddedFloats(dy + i, n - i).values, last_gate, last_up);
  const size_t bytes = static_cast<size_t>(n - i) * sizeof(float);
  std::memcpy(d_gate + i, last_gate, bytes);
  std::memcpy(d_up + i, last_up, bytes);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

float SiluSlope(float x) {
  const float s = 1.0f / (1.0f + Exp(-x));
  return s * (1.0f + x * (1.0f - s));
}

float Silu(float x) { return x / (1.0f + Exp(-x)); }

void SwiGluRow(int64_t n, const float* gate, const float* up, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = Silu(gate[i]) * up[i];
}

void SwiGluBackwardRow(int64_t n, const float* gate, const float* up,
                       const float* dy, float* d_gate, float* d_up) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = gate[i];
    const float gradient = dy[i];
    d_gate[i] = (gradient * up[i]) * SiluSlope(g);
    d_up[i] = gradient * Silu(g);
  }
}

}  // namespace
}  // namespace scalar

namespace {
HWY_EXPORT(SwiGluRow);
HWY_EXPORT(SwiGluBackwardRow);
}  // namespace

void SwiGlu(base::MatrixView<const float> gate,
            base::MatrixView<const float> up, base::MatrixView<float> y,
            base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(gate, up) && base::SameShape(gate, y));
  const auto row = MOE_CHOOSE_KERNEL(SwiGluRow);
  ParallelRows(gate.rows, gate.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      row(gate.cols, gate.RowData(t), up.RowData(t), y.RowData(t));
    }
  });
}

void SwiGluBackward(base::MatrixView<const float> gate,
                    base::MatrixView<const float> up,
                    base::MatrixView<const float> dy,
                    base::MatrixView<float> d_gate,
                    base::MatrixView<float> d_up, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(gate, up) && base::SameShape(gate, dy) &&
            base::SameShape(gate, d_gate) && base::SameShape(gate, d_up));
  const auto row = MOE_CHOOSE_KERNEL(SwiGluBackwardRow);
  ParallelRows(gate.rows, gate.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      row(gate.cols, gate.RowData(t), up.RowData(t), dy.RowData(t),
          d_gate.RowData(t), d_up.RowData(t));
    }
  });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
