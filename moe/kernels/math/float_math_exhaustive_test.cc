// Every float of the range of every function, which takes minutes: tagged
// "exhaustive" and "manual", so that it runs when it is asked for:
//   ./bazelw test //moe/kernels/math:float_math_exhaustive_test

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/math/exp.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/kernels/testing/correct_rounding.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::CheckRounding;
using ::moe::kernels::testing::CosOracle;
using ::moe::kernels::testing::ExpOracle;
using ::moe::kernels::testing::LogOracle;
using ::moe::kernels::testing::Oracle;
using ::moe::kernels::testing::SinOracle;
using ::moe::kernels::testing::Verdict;

constexpr int64_t kPiece = 1 << 16;

// Computes y from x for a piece of consecutive floats.
using ArrayFunction = void (*)(absl::Span<const float>, absl::Span<float>);

// All floats with bit patterns in [begin, end).
void CheckAll(ArrayFunction function, const Oracle& oracle, int64_t begin,
              int64_t end) {
  MOE_ASSERT_OK_AND_ASSIGN(const int num_threads,
                           base::NumThreadsFromEnvironment());
  base::ThreadPool pool(num_threads);
  std::atomic<int64_t> num_wrong{0}, num_undecided{0}, first_wrong{end};
  pool.ParallelFor(begin, end, kPiece, [&](int64_t from, int64_t to) {
    std::vector<float> x, y(static_cast<size_t>(to - from));
    for (int64_t bits = from; bits < to; ++bits) {
      x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    }
    function(x, absl::MakeSpan(y));
    for (size_t i = 0; i < x.size(); ++i) {
      const Verdict verdict = CheckRounding(x[i], y[i], oracle);
      if (verdict == Verdict::kRight) continue;
      ++(verdict == Verdict::kWrong ? num_wrong : num_undecided);
      first_wrong = std::min<int64_t>(first_wrong, from + int64_t(i));
    }
  });
  EXPECT_EQ(num_wrong, 0) << "one has the bits " << first_wrong;
  EXPECT_EQ(num_undecided, 0) << "one has the bits " << first_wrong;
}

template <float (*function)(float)>
void Each(absl::Span<const float> x, absl::Span<float> y) {
  for (size_t i = 0; i < x.size(); ++i) y[i] = function(x[i]);
}

constexpr int64_t kNegative = int64_t{1} << 31;

int64_t BitsOf(float x) { return std::bit_cast<uint32_t>(x); }

// [+0, last] and [-0, -last].
void CheckBothSigns(ArrayFunction function, const Oracle& oracle, float last) {
  CheckAll(function, oracle, 0, BitsOf(last) + 1);
  CheckAll(function, oracle, kNegative, kNegative + BitsOf(last) + 1);
}

// Every bit pattern there is.
TEST(ExhaustiveTest, VectorExp) {
  for (const SimdTarget target : SupportedSimdTargets()) {
    if (target == SimdTarget::kScalar) continue;
    SCOPED_TRACE(SimdTargetName(target));
    MOE_ASSERT_OK(SetSimdTarget(target));
    CheckAll(static_cast<ArrayFunction>(&Exp), ExpOracle(), 0, 2 * kNegative);
  }
}

// Beyond 128 either way the result is constant, which the sampled test sees.
TEST(ExhaustiveTest, ScalarExp) {
  CheckBothSigns(&Each<static_cast<float (*)(float)>(&Exp)>, ExpOracle(),
                 128.0f);
}

TEST(ExhaustiveTest, Log) {
  CheckAll(&Each<&Log>, LogOracle(), 0,
           BitsOf(std::numeric_limits<float>::infinity()) + 1);
}

TEST(ExhaustiveTest, Sin) {
  CheckBothSigns(&Each<&Sin>, SinOracle(), kMaxAngle);
}

TEST(ExhaustiveTest, Cos) {
  CheckBothSigns(&Each<&Cos>, CosOracle(), kMaxAngle);
}

}  // namespace
}  // namespace moe::kernels
