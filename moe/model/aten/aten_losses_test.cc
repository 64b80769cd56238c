#include "moe/model/aten/aten_losses.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/aten/testing/aten_tensors.h"

namespace moe::model {
namespace {

using ::moe::kernels::testing::TestMatrix;
using ::moe::model::testing::ToTensor;
using ::moe::model::testing::ToVector;

// In double.
double Loss(const std::vector<float>& logits, size_t label) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(x - max);
  return std::log(sum) - (logits[label] - max);
}

TEST(AtenLossesTest, KeepTheirPrecisionOverALargeVocabulary) {
  constexpr int64_t kVocabulary = 49152;
  // A term that is 1, and many below half an ulp of it: e^-17.5 = 2.5e-8.
  std::vector<float> first(kVocabulary, -17.5f);
  first[7] = 0.0f;
  const std::vector<float> second =
      TestMatrix(1, kVocabulary).Fill("second", 0.5f).Values();
  std::vector<float> logits = first;
  logits.insert(logits.end(), second.begin(), second.end());
  const at::Tensor targets = ToTensor({7.0f, 49151.0f}, {2}).to(c10::kLong);
  const std::vector<float> got =
      ToVector(AtenLosses(ToTensor(logits, {2, kVocabulary}), targets));
  EXPECT_NEAR(got[0], Loss(first, 7), 2e-6);
  EXPECT_NEAR(got[1], Loss(second, 49151), 2e-6);
}

TEST(AtenLossesTest, LeavesIgnoredLabelsOut) {
  const at::Tensor targets =
      ToTensor({static_cast<float>(base::kIgnoredLabel), 1.0f}, {2})
          .to(c10::kLong);
  const std::vector<float> got =
      ToVector(AtenLosses(ToTensor({1.0f, 2.0f, 0.0f, 0.0f}, {2, 2}), targets));
  EXPECT_EQ(got[0], 0.0f);
  EXPECT_FALSE(std::signbit(got[0]));
  EXPECT_NEAR(got[1], std::log(2.0), 1e-7);
}

}  // namespace
}  // namespace moe::model
