#include "moe/gates/mlp_inputs.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::gates {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::EightSequences;
using ::moe::model::testing::FixtureNames;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::testing::HasSubstr;

std::vector<float> ValuesOf(model::HiddenStates& states) {
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows =
      states.Load(0, states.num_tokens(), buffer).value();
  return std::vector<float>(rows.data, rows.data + rows.rows * rows.cols);
}

std::vector<std::vector<float>> InputsOf(const std::string& name,
                                         const text::TokenSequences& sequences,
                                         const model::WalkOptions& options,
                                         WalkMachine& machine) {
  model::DenseModel model = model::DenseModel::Open(FixturePath(name)).value();
  std::vector<std::vector<float>> layers;
  const auto keep = [&](int64_t layer,
                        model::HiddenStates& inputs) -> absl::Status {
    EXPECT_EQ(layer, static_cast<int64_t>(layers.size()));
    layers.push_back(ValuesOf(inputs));
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(
      ForEachMlpInputs(model, sequences, options, machine.resources(), keep));
  return layers;
}

// The tap's rows, layer after layer.
class RecordingTap : public model::WalkTap {
 public:
  absl::Status OnLayerStart(int64_t) override {
    layers.emplace_back();
    return absl::OkStatus();
  }
  absl::Status OnMlpInput(const model::TapContext&,
                          base::MatrixView<const float> rows) override {
    layers.back().insert(layers.back().end(), rows.data,
                         rows.data + rows.rows * rows.cols);
    return absl::OkStatus();
  }

  std::vector<std::vector<float>> layers;
};

TEST(ForEachMlpInputsTest, GivesAllTokensInTheirOrder) {
  for (const std::string& name : FixtureNames()) {
    WalkMachine machine;
    model::DenseModel model =
        model::DenseModel::Open(FixturePath(name)).value();
    RecordingTap tap;
    MOE_ASSERT_OK(model::WalkForward(model, EightSequences(name), {}, &tap,
                                     machine.resources())
                      .status());
    EXPECT_EQ(InputsOf(name, EightSequences(name), {}, machine), tap.layers);
  }
}

TEST(ForEachMlpInputsTest, GivesTheSameInAnyMemory) {
  const base::testing::TempDirectory directory;
  const std::string name = FixtureNames()[0];
  WalkMachine roomy;
  const auto want = InputsOf(name, EightSequences(name), {}, roomy);
  model::WalkOptions options;
  options.spill_directory = directory.path();
  options.keep_weights = false;
  bool is_spilled = false;
  SmallestBudget([&](int64_t budget_bytes) {
    WalkMachine machine(1, budget_bytes);
    model::DenseModel model =
        model::DenseModel::Open(FixturePath(name)).value();
    const auto compare = [&](int64_t layer,
                             model::HiddenStates& inputs) -> absl::Status {
      is_spilled = inputs.is_spilled();
      EXPECT_EQ(ValuesOf(inputs), want[static_cast<size_t>(layer)]);
      return absl::OkStatus();
    };
    return ForEachMlpInputs(model, EightSequences(name), options,
                            machine.resources(), compare);
  });
  EXPECT_TRUE(is_spilled);
}

TEST(ForEachMlpInputsTest, AnErrorNamesTheLayer) {
  const std::string name = FixtureNames()[0];
  model::DenseModel model = model::DenseModel::Open(FixturePath(name)).value();
  WalkMachine machine;
  int calls = 0;
  const auto fail = [&](int64_t layer, model::HiddenStates&) -> absl::Status {
    ++calls;
    return layer == 1 ? absl::InvalidArgumentError("no good")
                      : absl::OkStatus();
  };
  EXPECT_THAT(ForEachMlpInputs(model, EightSequences(name), {},
                               machine.resources(), fail),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("layer 1: no good")));
  EXPECT_EQ(calls, 2);
}

using ::testing::ElementsAre;

// More rows than are taken at once. Row t is (1, 0) if t is a multiple of 3,
// else (0, 1).
model::HiddenStates Points(int64_t num_points, base::MemoryBudget& budget) {
  model::HiddenStates points =
      model::HiddenStates::Create(num_points, 2, budget, "").value();
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = points.Prepare(0, num_points, buffer);
  for (int64_t t = 0; t < num_points; ++t) {
    rows.RowData(t)[0] = t % 3 == 0 ? 1.0f : 0.0f;
    rows.RowData(t)[1] = t % 3 == 0 ? 0.0f : 1.0f;
  }
  return points;
}

TEST(RoutedCountsTest, CountsEveryToken) {
  base::ThreadPool pool(2);
  base::MemoryBudget budget;
  model::HiddenStates points = Points(3000, budget);
  const std::vector<float> router = {2.0f, -1.0f, 0.0f, 1.0f, 0.0f, 1.0f};
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<int64_t> counts,
      RoutedCounts(points, base::MatrixView<const float>(router.data(), 3, 2),
                   pool));
  // 3000 / 3; the rest goes to the first of two equal experts.
  EXPECT_THAT(counts, ElementsAre(1000, 2000, 0));
}

TEST(RoutedCountsTest, NamesTheBlockOfAProductThatOverflows) {
  base::ThreadPool pool(2);
  base::MemoryBudget budget;
  model::HiddenStates points = Points(2000, budget);
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows = points.Load(0, 2000, buffer).value();
  rows.RowData(1025)[0] = std::numeric_limits<float>::max();
  const std::vector<float> router = {2.0f, 0.0f};
  EXPECT_THAT(
      RoutedCounts(points, base::MatrixView<const float>(router.data(), 1, 2),
                   pool)
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("token 1025: product")));
}

TEST(GateOptionChecksTest, AsManyTokensAsExpertsAreEnough) {
  MOE_EXPECT_OK(CheckEnoughTokens(8, 8));
  EXPECT_THAT(CheckEnoughTokens(7, 8),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_experts: expected at most 7, the number "
                                 "of tokens, found 8")));
}

}  // namespace

}  // namespace moe::gates
