#include "moe/model/walk/output_head.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/token_losses.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::model::testing::FixtureNames;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::GoldenRows;
using ::moe::model::testing::Goldens;
using ::moe::model::testing::GoldenSequences;
using ::moe::model::testing::WalkMachine;
using ::testing::HasSubstr;

// The last hidden states of a fixture's goldens, and what they predict.
struct HeadInput {
  explicit HeadInput(const std::string& name)
      : model(DenseModel::Open(FixturePath(name)).value()),
        goldens(Goldens(name)),
        targets(PredictedLabels(GoldenSequences(goldens))) {
    const int64_t last = model.config().num_hidden_layers;
    hidden = GoldenRows(goldens, absl::StrCat("hidden.", last));
  }
  base::MatrixView<const float> rows() const {
    const int64_t cols = model.config().hidden_size;
    return base::MatrixView<const float>(
        hidden.data(), static_cast<int64_t>(targets.size()), cols);
  }

  DenseModel model;
  checkpoint::HostTensors goldens;
  std::vector<int32_t> targets;
  std::vector<float> hidden;
};

std::vector<float> AllLogits(OutputHead& head, const HeadInput& input) {
  std::vector<float> all;
  MOE_EXPECT_OK(head.Logits(input.rows(), [&](int64_t first_row,
                                              base::MatrixView<float> logits) {
    EXPECT_EQ(first_row * logits.cols, static_cast<int64_t>(all.size()));
    all.insert(all.end(), logits.data, logits.data + logits.rows * logits.cols);
    return absl::OkStatus();
  }));
  return all;
}

TEST(OutputHeadTest, LogitsAreTransformers) {
  for (const std::string& name : FixtureNames()) {
    HeadInput input(name);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(
        OutputHead head, OutputHead::Create(input.model, LayerPasses::kForward,
                                            machine.budget, machine.pool));
    const std::vector<float> got = AllLogits(head, input);
    const std::vector<float> want = GoldenRows(input.goldens, "logits");
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], 2e-5) << name << ", " << i;
    }
  }
}

// What the head gives, all of it.
std::vector<float> HeadValues(HeadInput& input, WalkMachine& machine) {
  absl::StatusOr<OutputHead> head =
      OutputHead::Create(input.model, LayerPasses::kForwardAndBackward,
                         machine.budget, machine.pool);
  MOE_EXPECT_OK(head.status());
  std::vector<float> values = AllLogits(*head, input);
  std::vector<float> losses(input.targets.size());
  MOE_EXPECT_OK(
      head->Losses(input.rows(), input.targets, absl::MakeSpan(losses)));
  values.insert(values.end(), losses.begin(), losses.end());
  base::Matrix<float> gradient(input.rows().rows, input.rows().cols);
  std::vector<float> again(input.targets.size());
  const std::vector<float> scales(input.targets.size(), 0.5f);
  MOE_EXPECT_OK(head->LossesAndGradient(input.rows(), input.targets, scales,
                                        absl::MakeSpan(again),
                                        gradient.view()));
  EXPECT_EQ(again, losses);
  values.insert(values.end(), gradient.view().data,
                gradient.view().data + gradient.rows() * gradient.cols());
  return values;
}

TEST(OutputHeadTest, BlocksHaveTheBitsOfTheWhole) {
  for (const std::string& name : FixtureNames()) {
    HeadInput input(name);
    WalkMachine unlimited;
    const std::vector<float> want = HeadValues(input, unlimited);
    const int64_t least = OutputHead::LeastBytes(
        input.model.config(), LayerPasses::kForwardAndBackward);
    for (int64_t budget = least; budget < 32 * least; budget *= 2) {
      WalkMachine machine(2, budget);
      EXPECT_TRUE(BitsEqual<float>(HeadValues(input, machine), want))
          << name << ", " << budget;
    }
    // And those of the model, where it keeps its own.
    ASSERT_TRUE(
        input.model.Keep(LayerPasses::kForwardAndBackward, unlimited.budget));
    EXPECT_TRUE(BitsEqual<float>(HeadValues(input, unlimited), want));
  }
}

TEST(OutputHeadTest, SaysHowMuchItNeeds) {
  HeadInput input("llama_gqa_bf16");
  const int64_t least =
      OutputHead::LeastBytes(input.model.config(), LayerPasses::kForward);
  // Logits of 16 tokens with 3 hidden states, 32 rows of the embedding twice.
  EXPECT_EQ(least, 4 * (16 * (512 + 3 * 128) + 32 * 2 * 128));
  WalkMachine machine(1, least - 1);
  EXPECT_THAT(OutputHead::Create(input.model, LayerPasses::kForward,
                                 machine.budget, machine.pool)
                  .status(),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr(absl::StrCat("--memory_budget=", least))));
}

TEST(OutputHeadTest, NamesTheLogitThatIsNotFinite) {
  HeadInput input("llama_gqa_bf16");
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      OutputHead head, OutputHead::Create(input.model, LayerPasses::kForward,
                                          machine.budget, machine.pool));
  // The norm of a row that is not finite is not, either. Row 20 is token 2 of
  // the third sequence.
  input.hidden[20 * 128] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<int64_t> offsets = {0, 1, 18, 66};
  head.SetPlace(offsets, 0);
  std::vector<float> losses(input.targets.size());
  EXPECT_THAT(
      head.Losses(input.rows(), input.targets, absl::MakeSpan(losses)),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("logits of sequence 2, position 2, feature 0 of 512")));
}

// d(scale * sum of losses) / d(one feature), by moving it, in float: crude, but
// by nothing that the code under test has.
TEST(OutputHeadTest, GradientIsTheSlope) {
  HeadInput input("llama_mha_f32_sharded");
  input.targets[20] = base::kIgnoredLabel;
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      OutputHead head,
      OutputHead::Create(input.model, LayerPasses::kForwardAndBackward,
                         machine.budget, machine.pool));
  const auto sum_of_losses = [&] {
    std::vector<float> losses(input.targets.size());
    MOE_EXPECT_OK(
        head.Losses(input.rows(), input.targets, absl::MakeSpan(losses)));
    double sum = 0.0;
    for (const float loss : losses) sum += loss;
    return sum;
  };
  std::vector<float> losses(input.targets.size());
  base::Matrix<float> gradient(input.rows().rows, input.rows().cols);
  const std::vector<float> scales(input.targets.size(), 0.25f);
  MOE_ASSERT_OK(head.LossesAndGradient(input.rows(), input.targets, scales,
                                       absl::MakeSpan(losses),
                                       gradient.view()));
  for (const int64_t row : {1, 20, 40}) {
    for (const int64_t col : {0, 17, 63}) {
      float& value =
          input.hidden[static_cast<size_t>(row * gradient.cols() + col)];
      const float before = value;
      constexpr float kStep = 1.0f / 64;
      value = before + kStep;
      const double above = sum_of_losses();
      value = before - kStep;
      const double slope = (above - sum_of_losses()) / (2 * kStep);
      value = before;
      EXPECT_NEAR(gradient.view().Row(row)[static_cast<size_t>(col)],
                  0.25 * slope, 1e-4 + 1e-3 * std::fabs(slope))
          << row << ", " << col;
    }
  }
}

}  // namespace
}  // namespace moe::model
