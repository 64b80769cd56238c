#include "moe/gates/mlp_inputs.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {
namespace {

using ::moe::testing::EightSequences;
using ::moe::testing::FixtureNames;
using ::moe::testing::FixturePath;
using ::moe::testing::SmallestBudget;
using ::moe::testing::StatusIs;
using ::moe::testing::WalkMachine;
using ::testing::HasSubstr;

std::vector<float> ValuesOf(HiddenStates& states) {
  Matrix<float> buffer;
  const MatrixView<float> rows =
      states.Load(0, states.num_tokens(), buffer).value();
  return std::vector<float>(rows.data, rows.data + rows.rows * rows.cols);
}

std::vector<std::vector<float>> InputsOf(const std::string& name,
                                         const TokenSequences& sequences,
                                         const WalkOptions& options,
                                         WalkMachine& machine) {
  DenseModel model = DenseModel::Open(FixturePath(name)).value();
  std::vector<std::vector<float>> layers;
  const auto keep = [&](int64_t layer, HiddenStates& inputs) -> absl::Status {
    EXPECT_EQ(layer, static_cast<int64_t>(layers.size()));
    layers.push_back(ValuesOf(inputs));
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(
      ForEachMlpInputs(model, sequences, options, machine.resources(), keep));
  return layers;
}

// The tap's rows, layer after layer.
class RecordingTap : public WalkTap {
 public:
  absl::Status OnLayerStart(int64_t) override {
    layers.emplace_back();
    return absl::OkStatus();
  }
  absl::Status OnMlpInput(const TapContext&,
                          MatrixView<const float> rows) override {
    layers.back().insert(layers.back().end(), rows.data,
                         rows.data + rows.rows * rows.cols);
    return absl::OkStatus();
  }

  std::vector<std::vector<float>> layers;
};

TEST(ForEachMlpInputsTest, GivesAllTokensInTheirOrder) {
  for (const std::string& name : FixtureNames()) {
    WalkMachine machine;
    DenseModel model = DenseModel::Open(FixturePath(name)).value();
    RecordingTap tap;
    MOE_ASSERT_OK(
        WalkForward(model, EightSequences(name), {}, &tap, machine.resources())
            .status());
    EXPECT_EQ(InputsOf(name, EightSequences(name), {}, machine), tap.layers);
  }
}

TEST(ForEachMlpInputsTest, GivesTheSameInAnyMemory) {
  const testing::TempDirectory directory;
  const std::string name = FixtureNames()[0];
  WalkMachine roomy;
  const auto want = InputsOf(name, EightSequences(name), {}, roomy);
  WalkOptions options;
  options.spill_directory = directory.path();
  options.keep_weights = false;
  bool is_spilled = false;
  SmallestBudget([&](int64_t budget_bytes) {
    WalkMachine machine(1, budget_bytes);
    DenseModel model = DenseModel::Open(FixturePath(name)).value();
    const auto compare = [&](int64_t layer,
                             HiddenStates& inputs) -> absl::Status {
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
  DenseModel model = DenseModel::Open(FixturePath(name)).value();
  WalkMachine machine;
  int calls = 0;
  const auto fail = [&](int64_t layer, HiddenStates&) -> absl::Status {
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

}  // namespace
}  // namespace moe
