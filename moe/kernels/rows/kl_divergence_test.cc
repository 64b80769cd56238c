#include "moe/kernels/rows/kl_divergence.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/kernels/testing/row_shapes.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::OnScalar;
using ::moe::kernels::testing::RowShape;
using ::moe::kernels::testing::RowShapes;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using KlDivergenceTest = ::moe::kernels::testing::KernelTest;

TEST_P(KlDivergenceTest, HasTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    if (s.cols == 0) continue;
    SCOPED_TRACE(s);
    TestMatrix reference(s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix logits(s.rows, s.cols, s.misalignment, s.padding);
    reference.Fill("reference", 20.0f);
    logits.Fill("logits", 20.0f);
    std::vector<float> found(static_cast<size_t>(s.rows));
    std::vector<float> expected = found;
    KlDivergence(reference.view(), logits.view(), absl::MakeSpan(found),
                 pool());
    OnScalar([&](base::ThreadPool& one) {
      KlDivergence(reference.view(), logits.view(), absl::MakeSpan(expected),
                   one);
    });
    EXPECT_TRUE(BitsEqual<float>(found, expected));
  }
}

INSTANTIATE_TEST_SUITE_P(All, KlDivergenceTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

std::vector<double> LogSoftmax(absl::Span<const float> x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0.0;
  for (const float value : x) sum += std::exp(value - largest);
  std::vector<double> log_p;
  for (const float value : x) log_p.push_back(value - largest - std::log(sum));
  return log_p;
}

TEST(KlDivergenceMathTest, IsTheFormula) {
  TestMatrix reference(6, 211), logits(6, 211);
  reference.Fill("reference", 4.0f);
  logits.Fill("logits", 4.0f);
  std::vector<float> found(6);
  base::ThreadPool pool(1);
  KlDivergence(reference.view(), logits.view(), absl::MakeSpan(found), pool);
  for (int64_t t = 0; t < 6; ++t) {
    const std::vector<double> p = LogSoftmax(reference.view().Row(t));
    const std::vector<double> q = LogSoftmax(logits.view().Row(t));
    double expected = 0.0;
    for (size_t i = 0; i < p.size(); ++i) {
      expected += std::exp(p[i]) * (p[i] - q[i]);
    }
    EXPECT_NEAR(found[static_cast<size_t>(t)], expected, 2e-6);
    EXPECT_GT(expected, 0.1);
  }
}

TEST(KlDivergenceMathTest, IsZeroForTheSamePrediction) {
  TestMatrix logits(3, 100);
  logits.Fill("logits", 30.0f);
  std::vector<float> found(3, 1.0f);
  base::ThreadPool pool(1);
  KlDivergence(logits.view(), logits.view(), absl::MakeSpan(found), pool);
  EXPECT_EQ(found, std::vector<float>(3, 0.0f));
}

}  // namespace
}  // namespace moe::kernels
