#include "moe/kernels/rows/cross_entropy.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/kernels/testing/row_shapes.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::OnScalar;
using ::moe::kernels::testing::RowShape;
using ::moe::kernels::testing::RowShapes;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using CrossEntropyTest = ::moe::kernels::testing::KernelTest;

// Every fourth token is ignored.
std::vector<int32_t> Labels(int64_t num_tokens, int64_t vocabulary_size) {
  std::vector<int32_t> labels;
  for (int64_t t = 0; t < num_tokens; ++t) {
    labels.push_back(t % 4 == 3
                         ? base::kIgnoredLabel
                         : static_cast<int32_t>(t * 31 % vocabulary_size));
  }
  return labels;
}

std::vector<float> Zeros(int64_t size) {
  return std::vector<float>(static_cast<size_t>(size));
}

TEST_P(CrossEntropyTest, HasTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    if (s.cols == 0) continue;
    SCOPED_TRACE(s);
    TestMatrix logits(s.rows, s.cols, s.misalignment, s.padding);
    logits.Fill("logits", 30.0f);
    const std::vector<int32_t> labels = Labels(s.rows, s.cols);
    std::vector<float> losses = Zeros(s.rows), with_gradient = losses;
    std::vector<float> want_losses = losses, want_with_gradient = losses;
    const std::vector<float> scales(labels.size(), 0.3f);
    TestMatrix gradient = logits, want_gradient = logits;
    CrossEntropy(logits.view(), labels, absl::MakeSpan(losses), pool());
    CrossEntropyWithGradient(labels, scales, gradient.view(),
                             absl::MakeSpan(with_gradient), pool());
    OnScalar([&](base::ThreadPool& one) {
      CrossEntropy(logits.view(), labels, absl::MakeSpan(want_losses), one);
      CrossEntropyWithGradient(labels, scales, want_gradient.view(),
                               absl::MakeSpan(want_with_gradient), one);
    });
    EXPECT_TRUE(BitsEqual<float>(losses, want_losses));
    EXPECT_TRUE(BitsEqual<float>(with_gradient, want_losses));
    EXPECT_TRUE(BitsEqual<float>(want_with_gradient, want_losses));
    EXPECT_TRUE(BitsEqual(gradient, want_gradient));
    EXPECT_TRUE(gradient.PaddingIsUntouched());
  }
}

// Any number of tokens at once gives the bits of all at once, and of the steps
// done one by one.
TEST_P(CrossEntropyTest, Golden) {
  TestMatrix logits(9, 131);
  logits.Fill("logits", 10.0f);
  std::vector<float> losses = Zeros(9);
  CrossEntropyWithGradient(Labels(9, 131), std::vector<float>(9, 0.25f),
                           logits.view(), absl::MakeSpan(losses), pool());
  EXPECT_EQ(Digest<float>(losses), "f8164dccde20d597");
  EXPECT_EQ(Digest<float>(logits.Values()), "b85127118fd9414a");
}

INSTANTIATE_TEST_SUITE_P(All, CrossEntropyTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

double LossOf(absl::Span<const float> x, size_t label, size_t moved,
              double by) {
  double sum = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += std::exp(x[i] + (i == moved ? by : 0.0));
  }
  return std::log(sum) - (x[label] + (label == moved ? by : 0.0));
}

TEST(CrossEntropyMathTest, IsTheFormulaAndItsDerivative) {
  TestMatrix logits(2, 50);
  logits.Fill("logits", 5.0f);
  const TestMatrix before = logits;
  const std::vector<int32_t> labels = {7, 49};
  std::vector<float> losses = Zeros(2);
  base::ThreadPool pool(1);
  CrossEntropyWithGradient(labels, {2.0f, 2.0f}, logits.view(),
                           absl::MakeSpan(losses), pool);
  constexpr double kStep = 1e-5;
  for (size_t t = 0; t < 2; ++t) {
    const auto label = static_cast<size_t>(labels[t]);
    const absl::Span<const float> x = before.view().Row(int64_t(t));
    EXPECT_NEAR(losses[t], LossOf(x, label, 0, 0.0), 1e-6);
    for (size_t i = 0; i < 50; ++i) {
      const double slope =
          (LossOf(x, label, i, kStep) - LossOf(x, label, i, -kStep)) /
          (2 * kStep);
      EXPECT_NEAR(logits.view().Row(int64_t(t))[i], 2.0 * slope, 1e-6);
    }
  }
}

// Equal logits: the loss is the logarithm of how many there are.
TEST(CrossEntropyMathTest, OfEqualLogitsByHand) {
  TestMatrix logits(2, 64);
  std::vector<float> losses = {5.0f, 5.0f};
  base::ThreadPool pool(1);
  CrossEntropyWithGradient({3, base::kIgnoredLabel}, {1.0f, 1.0f},
                           logits.view(), absl::MakeSpan(losses), pool);
  EXPECT_FLOAT_EQ(losses[0], 4.15888308f);  // ln 64
  EXPECT_EQ(losses[1], 0.0f);
  EXPECT_EQ(logits.view().Row(0)[0], 0x1p-6f);
  EXPECT_EQ(logits.view().Row(0)[3], 0x1p-6f - 1.0f);
  for (const float value : logits.view().Row(1)) EXPECT_EQ(value, 0.0f);
}

}  // namespace
}  // namespace moe::kernels
