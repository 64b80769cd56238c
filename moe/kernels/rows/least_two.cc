#include "moe/kernels/rows/least_two.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/least_two.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"

#ifndef MOE_KERNELS_ROWS_LEAST_TWO_ONCE_
#define MOE_KERNELS_ROWS_LEAST_TWO_ONCE_
namespace moe::kernels::internal {

// The bits without the sign. They order as magnitudes do.
inline int32_t MagnitudeBits(float x) {
  return std::bit_cast<int32_t>(x) & 0x7fffffff;
}

inline int32_t LargestBitsOf(int64_t begin, int64_t end, const float* x,
                             int32_t largest) {
  for (int64_t i = begin; i < end; ++i) {
    largest = std::max(largest, MagnitudeBits(x[i]));
  }
  return largest;
}

// Rows [begin, end).
struct LeastTwoTask {
  const PricedCosts& costs;
  int64_t begin;
  int64_t end;
  int32_t* least;
  double* margins;
};

inline void LeastTwoOneByOne(const LeastTwoTask& task) {
  const PricedCosts& costs = task.costs;
  for (int64_t t = task.begin; t < task.end; ++t) {
    double least = kInfiniteMargin, second = kInfiniteMargin;
    for (int64_t e = 0; e < costs.costs.cols; ++e) {
      const double cost =
          PricedCosts::At(costs.costs.RowData(t)[e], costs.scale,
                          costs.prices[static_cast<size_t>(e)]);
      if (cost < least) {
        second = least;
        least = cost;
        task.least[t] = static_cast<int32_t>(e);
      } else {
        second = std::min(second, cost);
      }
    }
    task.margins[t] = second - least;
  }
}

}  // namespace moe::kernels::internal
#endif  // MOE_KERNELS_ROWS_LEAST_TWO_ONCE_

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using internal::LeastTwoTask;

using D = hn::CappedTag<double, 8>;
using V = hn::VFromD<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));

int32_t LargestBits(int64_t n, const float* x) {
  const hn::CappedTag<int32_t, 16> d;
  constexpr int64_t kBitLanes = static_cast<int64_t>(hn::MaxLanes(d));
  const auto mask = hn::Set(d, 0x7fffffff);
  auto largest = hn::Zero(d);
  int64_t i = 0;
  for (; i + kBitLanes <= n; i += kBitLanes) {
    const auto bits = hn::LoadU(d, reinterpret_cast<const int32_t*>(x + i));
    largest = hn::Max(largest, hn::And(bits, mask));
  }
  return internal::LargestBitsOf(i, n, x,
                                 hn::GetLane(hn::MaxOfLanes(d, largest)));
}

// Handles kLanes rows from `row` on, one in each lane.
HWY_INLINE void LeastTwoOfRows(const LeastTwoTask& task, int64_t row) {
  const D d;
  const hn::Rebind<float, D> df;
  const hn::Rebind<int32_t, D> di;
  const base::MatrixView<const float> costs = task.costs.costs;
  const auto rows =
      hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(costs.stride)));
  const V scale = hn::Set(d, task.costs.scale);
  const V round = hn::Set(d, 0x1.8p52);
  V least = hn::Set(d, kInfiniteMargin);
  V second = least;
  V nearest = hn::Zero(d);
  for (int64_t e = 0; e < costs.cols; ++e) {
    const V x =
        hn::PromoteTo(d, hn::GatherIndex(df, costs.RowData(row) + e, rows));
    const V whole = hn::Sub(hn::Add(hn::Mul(x, scale), round), round);
    const V cost =
        hn::Add(whole, hn::Set(d, task.costs.prices[static_cast<size_t>(e)]));
    nearest = hn::IfThenElse(hn::Lt(cost, least),
                             hn::Set(d, static_cast<double>(e)), nearest);
    second = hn::Min(second, hn::Max(least, cost));
    least = hn::Min(least, cost);
  }
  hn::StoreU(hn::DemoteTo(di, nearest), di, task.least + row);
  hn::StoreU(hn::Sub(second, least), d, task.margins + row);
}

void LeastTwoOfTask(const LeastTwoTask& task) {
  LeastTwoTask rest = task;
  if (task.costs.costs.stride <= INT32_MAX / kLanes) {
    for (; rest.begin + kLanes <= task.end; rest.begin += kLanes) {
      LeastTwoOfRows(task, rest.begin);
    }
  }
  internal::LeastTwoOneByOne(rest);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

int32_t LargestBits(int64_t n, const float* x) {
  return internal::LargestBitsOf(0, n, x, 0);
}

void LeastTwoOfTask(const internal::LeastTwoTask& task) {
  internal::LeastTwoOneByOne(task);
}

}  // namespace
}  // namespace scalar

namespace {
HWY_EXPORT(LargestBits);
HWY_EXPORT(LeastTwoOfTask);
}  // namespace

float LargestMagnitude(base::MatrixView<const float> x,
                       base::ThreadPool& pool) {
  const auto largest_bits = MOE_CHOOSE_KERNEL(LargestBits);
  std::atomic<int32_t> largest = 0;
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    int32_t found = 0;
    if (x.stride == x.cols) {
      found = largest_bits((end - begin) * x.cols, x.RowData(begin));
    } else {
      for (int64_t t = begin; t < end; ++t) {
        found = std::max(found, largest_bits(x.cols, x.RowData(t)));
      }
    }
    int32_t seen = largest.load();
    while (seen < found && !largest.compare_exchange_weak(seen, found)) {
    }
  });
  return std::bit_cast<float>(largest.load());
}

void LeastTwo(const PricedCosts& costs, absl::Span<int32_t> least,
              absl::Span<double> margins, base::ThreadPool& pool) {
  const int64_t num_tokens = costs.costs.rows;
  MOE_CHECK(costs.costs.cols > 0 && costs.costs.cols <= INT32_MAX);
  MOE_CHECK(static_cast<int64_t>(costs.prices.size()) == costs.costs.cols);
  MOE_CHECK(static_cast<int64_t>(least.size()) == num_tokens &&
            margins.size() == least.size());
  const auto least_two = MOE_CHOOSE_KERNEL(LeastTwoOfTask);
  ParallelRows(num_tokens, costs.costs.cols, pool,
               [&](int64_t begin, int64_t end) {
                 least_two({costs, begin, end, least.data(), margins.data()});
               });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
