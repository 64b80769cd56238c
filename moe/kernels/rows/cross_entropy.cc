#include "moe/kernels/rows/cross_entropy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/rows/scalar_row.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/cross_entropy.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/math/exp-inl.h"
#include "moe/kernels/rows/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

// float(sum_j exp(x_j - largest)) of n > 0 elements. The exponentials are
// rounded to float before they are added.
float SumOfExps(int64_t n, const float* x, float largest) {
  const DF d;
  const VF shift = hn::Set(d, largest);
  const auto exp = [&](VF value)
                       HWY_ATTR { return Exp(d, hn::Sub(value, shift)); };
  // What follows in memory is mostly the next row.
  return static_cast<float>(MapAndSumRow(n, nullptr, exp, x, x + n));
}

// x_i = exp(x_i - largest) / sum * scale.
void ScaledProbabilities(int64_t n, float largest, float sum, float scale,
                         float* x) {
  const DF d;
  const VF shift = hn::Set(d, largest);
  const VF total = hn::Set(d, sum);
  const VF factor = hn::Set(d, scale);
  MapRow(
      n, x,
      [&](VF value) HWY_ATTR {
        return hn::Mul(hn::Div(Exp(d, hn::Sub(value, shift)), total), factor);
      },
      x);
}

float LargestLogit(int64_t n, const float* x) { return MaxRow(n, x); }

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

float LargestLogit(int64_t n, const float* x) { return MaxRow(n, x); }

float SumOfExps(int64_t n, const float* x, float largest) {
  return static_cast<float>(SumRow(
      n, [&](int64_t i) { return static_cast<double>(Exp(x[i] - largest)); }));
}

void ScaledProbabilities(int64_t n, float largest, float sum, float scale,
                         float* x) {
  for (int64_t i = 0; i < n; ++i) {
    x[i] = Exp(x[i] - largest) / sum * scale;
  }
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(SumOfExps);
HWY_EXPORT(ScaledProbabilities);
HWY_EXPORT(LargestLogit);

struct RowLoss {
  float largest;
  float sum;
  float loss;
};

RowLoss LossOfRow(absl::Span<const float> logits, int32_t label) {
  const auto n = static_cast<int64_t>(logits.size());
  MOE_CHECK(label >= 0 && label < n);
  RowLoss row;
  row.largest = MOE_CHOOSE_KERNEL(LargestLogit)(n, logits.data());
  row.sum = MOE_CHOOSE_KERNEL(SumOfExps)(n, logits.data(), row.largest);
  row.loss = Log(row.sum) - (logits[static_cast<size_t>(label)] - row.largest);
  return row;
}

}  // namespace

void CrossEntropy(base::MatrixView<const float> logits,
                  absl::Span<const int32_t> labels, absl::Span<float> losses,
                  base::ThreadPool& pool) {
  const auto num_tokens = static_cast<size_t>(logits.rows);
  MOE_CHECK(labels.size() == num_tokens && losses.size() == num_tokens);
  ParallelRows(logits.rows, logits.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const auto i = static_cast<size_t>(t);
      losses[i] = labels[i] == base::kIgnoredLabel
                      ? 0.0f
                      : LossOfRow(logits.Row(t), labels[i]).loss;
    }
  });
}

void CrossEntropyWithGradient(absl::Span<const int32_t> labels,
                              absl::Span<const float> scales,
                              base::MatrixView<float> logits,
                              absl::Span<float> losses,
                              base::ThreadPool& pool) {
  const auto num_tokens = static_cast<size_t>(logits.rows);
  MOE_CHECK(labels.size() == num_tokens && losses.size() == num_tokens &&
            scales.size() == num_tokens);
  const auto probabilities = MOE_CHOOSE_KERNEL(ScaledProbabilities);
  ParallelRows(logits.rows, logits.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const auto i = static_cast<size_t>(t);
      const absl::Span<float> x = logits.Row(t);
      if (labels[i] == base::kIgnoredLabel) {
        losses[i] = 0.0f;
        std::fill(x.begin(), x.end(), 0.0f);
        continue;
      }
      const RowLoss row = LossOfRow(x, labels[i]);
      losses[i] = row.loss;
      // The element of the label has another formula. Save it first.
      const auto label = static_cast<size_t>(labels[i]);
      const float at_label = Exp(x[label] - row.largest) / row.sum - 1.0f;
      probabilities(logits.cols, row.largest, row.sum, scales[i], x.data());
      x[label] = at_label * scales[i];
    }
  });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
