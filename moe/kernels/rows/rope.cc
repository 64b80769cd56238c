#include "moe/kernels/rows/rope.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/rope.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/rows/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

HWY_INLINE void RotateBlock(const float* cos, const float* sin, VF sign,
                            float* low, float* high) {
  const DF d;
  const VF c = hn::LoadU(d, cos);
  const VF s = hn::Mul(hn::LoadU(d, sin), sign);  // By 1 or -1: exact.
  const VF x = hn::LoadU(d, low);
  const VF y = hn::LoadU(d, high);
  hn::StoreU(hn::Sub(hn::Mul(x, c), hn::Mul(y, s)), d, low);
  hn::StoreU(hn::Add(hn::Mul(y, c), hn::Mul(x, s)), d, high);
}

// One head of 2 * half elements.
void RotateHead(int64_t half, const float* cos, const float* sin, float sign,
                float* head) {
  const VF signs = hn::Set(DF(), sign);
  int64_t i = 0;
  for (; i + kFloatLanes <= half; i += kFloatLanes) {
    RotateBlock(cos + i, sin + i, signs, head + i, head + half + i);
  }
  if (i == half) return;
  PaddedFloats low(head + i, half - i);
  PaddedFloats high(head + half + i, half - i);
  RotateBlock(PaddedFloats(cos + i, half - i).values,
              PaddedFloats(sin + i, half - i).values, signs, low.values,
              high.values);
  const size_t bytes = static_cast<size_t>(half - i) * sizeof(float);
  std::memcpy(head + i, low.values, bytes);
  std::memcpy(head + half + i, high.values, bytes);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

void RotateHead(int64_t half, const float* cos, const float* sin, float sign,
                float* head) {
  for (int64_t i = 0; i < half; ++i) {
    const float x = head[i];
    const float y = head[half + i];
    const float s = sin[i] * sign;
    head[i] = x * cos[i] - y * s;
    head[half + i] = y * cos[i] + x * s;
  }
}

}  // namespace
}  // namespace scalar

namespace {
HWY_EXPORT(RotateHead);
}  // namespace

std::vector<float> RopeFrequencies(float base, int64_t head_dim) {
  MOE_CHECK(base > 0.0f && head_dim > 0 && head_dim % 2 == 0);
  std::vector<float> frequencies;
  for (int64_t i = 0; i < head_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(head_dim);
    frequencies.push_back(1.0f / Pow(base, exponent));
  }
  return frequencies;
}

RopeTable::RopeTable(absl::Span<const float> frequencies, int64_t num_positions,
                     float scale, base::ThreadPool& pool)
    : num_positions_(num_positions),
      half_(static_cast<int64_t>(frequencies.size())),
      cos_(static_cast<size_t>(num_positions * half_)),
      sin_(static_cast<size_t>(num_positions * half_)) {
  ParallelRows(num_positions, half_, pool, [&](int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end; ++position) {
      for (int64_t i = 0; i < half_; ++i) {
        const float angle =
            static_cast<float>(position) * frequencies[static_cast<size_t>(i)];
        MOE_CHECK(angle >= -kMaxAngle && angle <= kMaxAngle);
        const auto at = static_cast<size_t>(position * half_ + i);
        cos_[at] = moe::kernels::Cos(angle) * scale;
        sin_[at] = moe::kernels::Sin(angle) * scale;
      }
    }
  });
}

void ApplyRope(const RopeTable& table, absl::Span<const int32_t> positions,
               RopeDirection direction, base::MatrixView<float> x,
               base::ThreadPool& pool) {
  const int64_t head_dim = table.head_dim();
  MOE_CHECK(head_dim > 0 && x.cols % head_dim == 0 &&
            x.rows == static_cast<int64_t>(positions.size()));
  const float sign = direction == RopeDirection::kForward ? 1.0f : -1.0f;
  const auto rotate = MOE_CHOOSE_KERNEL(RotateHead);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int32_t position = positions[static_cast<size_t>(t)];
      MOE_CHECK(position >= 0 && position < table.num_positions());
      for (int64_t c = 0; c < x.cols; c += head_dim) {
        rotate(head_dim / 2, table.Cos(position), table.Sin(position), sign,
               x.RowData(t) + c);
      }
    }
  });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
