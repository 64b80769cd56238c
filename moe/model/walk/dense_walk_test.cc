#include "moe/model/walk/dense_walk.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::model::testing::EightSequences;
using ::moe::model::testing::FixtureNames;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::GoldenRows;
using ::moe::model::testing::Goldens;
using ::moe::model::testing::GoldenSequences;
using ::moe::model::testing::RelativeError;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

std::vector<float> AllRows(HiddenStates& states) {
  base::Matrix<float> buffer;
  const base::MatrixView<const float> rows =
      states.Load(0, states.num_tokens(), buffer).value();
  return {rows.data, rows.data + rows.rows * rows.cols};
}

// Keeps what it is given: values[layer][what] are rows of all tokens, what = 0
// for attention's output, 1 for the MLP's input, 2 for its output.
class RecordingTap : public WalkTap {
 public:
  absl::Status OnLayerStart(int64_t layer) override {
    events.push_back(absl::StrCat("start ", layer));
    values.emplace_back(3);
    return absl::OkStatus();
  }
  absl::Status OnAttentionOutput(const TapContext& context,
                                 base::MatrixView<float> output) override {
    return Record(0, context, output);
  }
  absl::Status OnMlpInput(const TapContext& context,
                          base::MatrixView<const float> input) override {
    return Record(1, context, input);
  }
  absl::Status OnMlpOutput(const TapContext& context,
                           base::MatrixView<float> output) override {
    return Record(2, context, output);
  }
  absl::Status OnLayerEnd(int64_t layer) override {
    events.push_back(absl::StrCat("end ", layer));
    return absl::OkStatus();
  }

  std::vector<float> All() const {
    std::vector<float> all;
    for (const auto& layer : values) {
      for (const std::vector<float>& rows : layer) {
        all.insert(all.end(), rows.begin(), rows.end());
      }
    }
    return all;
  }

  std::vector<std::string> events;
  std::vector<std::vector<std::vector<float>>> values;

 private:
  absl::Status Record(size_t what, const TapContext& context,
                      base::MatrixView<const float> rows) {
    EXPECT_EQ(rows.rows, context.group.num_tokens());
    events.push_back(absl::StrCat(what, " of ", context.layer, " from ",
                                  context.group.first_token));
    std::vector<float>& all = values[static_cast<size_t>(context.layer)][what];
    for (int64_t r = 0; r < rows.rows; ++r) {
      all.insert(all.end(), rows.Row(r).begin(), rows.Row(r).end());
    }
    return absl::OkStatus();
  }
};

// Taps and the last hidden states.
std::vector<float> WalkValues(DenseModel& model,
                              const text::TokenSequences& sequences,
                              const WalkOptions& options,
                              const WalkResources& resources) {
  RecordingTap tap;
  absl::StatusOr<HiddenStates> hidden =
      WalkForward(model, sequences, options, &tap, resources);
  MOE_EXPECT_OK(hidden.status());
  std::vector<float> values = AllRows(*hidden);
  const std::vector<float> taps = tap.All();
  values.insert(values.end(), taps.begin(), taps.end());
  return values;
}

TEST(DenseWalkTest, HiddenStatesAreTransformers) {
  for (const std::string& name : FixtureNames()) {
    const checkpoint::HostTensors goldens = Goldens(name);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                             DenseModel::Open(FixturePath(name)));
    // The walk's last hidden states; those in between follow from the taps: a
    // layer adds its two outputs.
    RecordingTap tap;
    MOE_ASSERT_OK_AND_ASSIGN(HiddenStates hidden,
                             WalkForward(model, GoldenSequences(goldens), {},
                                         &tap, machine.resources()));
    std::vector<float> state = GoldenRows(goldens, "hidden.0");
    for (size_t layer = 0; layer < tap.values.size(); ++layer) {
      for (size_t i = 0; i < state.size(); ++i) {
        state[i] =
            (state[i] + tap.values[layer][0][i]) + tap.values[layer][2][i];
      }
      const double error = RelativeError(
          state, GoldenRows(goldens, absl::StrCat("hidden.", layer + 1)));
      RecordProperty(absl::StrCat(name, ".", layer), absl::StrCat(error));
      // The bar is 1e-4; measured at most 2e-6.
      EXPECT_LT(error, 5e-6) << name << ", layer " << layer;
    }
    EXPECT_EQ(AllRows(hidden), state);
  }
}

TEST(DenseWalkTest, TapsSeeLayersThenGroupsInOrder) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath("llama_headdim_f16")));
  RecordingTap tap;
  WalkOptions options;
  options.tokens_at_once = 20;  // Sequences 0 and 1, then 2.
  MOE_ASSERT_OK(WalkForward(model,
                            GoldenSequences(Goldens("llama_headdim_f16")),
                            options, &tap, machine.resources())
                    .status());
  EXPECT_THAT(absl::MakeConstSpan(tap.events).first(9),
              ElementsAre("start 0", "0 of 0 from 0", "1 of 0 from 0",
                          "2 of 0 from 0", "0 of 0 from 18", "1 of 0 from 18",
                          "2 of 0 from 18", "end 0", "start 1"));
  EXPECT_EQ(tap.events.back(), "end 2");
}

using DenseWalkBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(DenseWalkBitsTest, AreTheSameOnEveryMachine) {
  const std::string name = "llama_headdim_f16";
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  // Computed on the first machine: pins the bits everywhere.
  EXPECT_EQ(
      Digest<float>(WalkValues(model, GoldenSequences(Goldens(name)), {},
                               {machine.budget, pool(), machine.progress})),
      "c1e7cdc3a5a1b79e");
}

INSTANTIATE_TEST_SUITE_P(All, DenseWalkBitsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(DenseWalkTest, BitsDoNotDependOnWhichSequencesGoTogether) {
  const std::string name = "llama_gqa_bf16";
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  const text::TokenSequences sequences = EightSequences(name);
  const std::vector<float> want =
      WalkValues(model, sequences, {}, machine.resources());
  for (const int64_t tokens_at_once : {1, 50, 100}) {
    WalkOptions options;
    options.tokens_at_once = tokens_at_once;
    EXPECT_EQ(WalkValues(model, sequences, options, machine.resources()), want);
  }
  // In walks of their own, 1 and 3 sequences at a time.
  MOE_ASSERT_OK_AND_ASSIGN(
      HiddenStates together,
      WalkForward(model, sequences, {}, nullptr, machine.resources()));
  for (const int64_t count : {1, 3}) {
    std::vector<float> apart;
    for (int64_t s = 0; s < sequences.num_sequences(); s += count) {
      text::TokenSequences part;
      for (int64_t i = s; i < std::min(s + count, sequences.num_sequences());
           ++i) {
        part.Append(sequences.input_ids(i), sequences.labels(i));
      }
      MOE_ASSERT_OK_AND_ASSIGN(
          HiddenStates hidden,
          WalkForward(model, part, {}, nullptr, machine.resources()));
      const std::vector<float> rows = AllRows(hidden);
      apart.insert(apart.end(), rows.begin(), rows.end());
    }
    EXPECT_EQ(apart, AllRows(together));
  }
}

TEST(DenseWalkMemoryTest, BitsAreTheSameFromOneLayerToUnlimited) {
  const std::string name = "llama_headdim_f16";
  const text::TokenSequences sequences = EightSequences(name);
  WalkMachine unlimited;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  const int64_t smallest = SmallestBudget([&](int64_t budget_bytes) {
    WalkMachine machine(2, budget_bytes);
    return WalkForward(model, sequences, {}, nullptr, machine.resources())
        .status();
  });
  const std::vector<float> want =
      WalkValues(model, sequences, {}, unlimited.resources());
  EXPECT_TRUE(model.keeps(LayerPasses::kForward));
  int num_spilled = 0, num_in_memory_but_not_kept = 0;
  bool is_kept = false;
  for (int64_t budget = smallest; !is_kept; budget = budget * 5 / 4) {
    WalkMachine machine(2, budget);
    MOE_ASSERT_OK_AND_ASSIGN(DenseModel fresh,
                             DenseModel::Open(FixturePath(name)));
    EXPECT_EQ(WalkValues(fresh, sequences, {}, machine.resources()), want);
    is_kept = fresh.keeps(LayerPasses::kForward);
    MOE_ASSERT_OK_AND_ASSIGN(
        HiddenStates hidden,
        WalkForward(fresh, sequences, {}, nullptr, machine.resources()));
    num_spilled += hidden.is_spilled();
    num_in_memory_but_not_kept += !hidden.is_spilled() && !is_kept;
  }
  EXPECT_GT(num_spilled, 0);
  EXPECT_GT(num_in_memory_but_not_kept, 0);
}

TEST(DenseWalkMemoryTest, KeptWeightsServeTheNextWalk) {
  const std::string name = "llama_gqa_bf16";
  const text::TokenSequences sequences = EightSequences(name);
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  const std::vector<float> first =
      WalkValues(model, sequences, {}, machine.resources());
  MOE_ASSERT_OK_AND_ASSIGN(const DecoderLayerWeights* const weights,
                           model.KeptLayer(0, machine.pool));
  EXPECT_EQ(WalkValues(model, sequences, {}, machine.resources()), first);
  MOE_ASSERT_OK_AND_ASSIGN(const DecoderLayerWeights* const again,
                           model.KeptLayer(0, machine.pool));
  EXPECT_EQ(weights, again);
}

TEST(DenseWalkMemoryTest, KeepsNothingForASingleWalk) {
  const std::string name = "llama_gqa_bf16";
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  WalkOptions once;
  once.keep_weights = false;
  const std::vector<float> values =
      WalkValues(model, EightSequences(name), once, machine.resources());
  EXPECT_FALSE(model.keeps(LayerPasses::kForward));
  EXPECT_EQ(machine.budget.reserved_bytes(), 0);
  EXPECT_EQ(WalkValues(model, EightSequences(name), {}, machine.resources()),
            values);
}

class FailingTap : public WalkTap {
 public:
  absl::Status OnMlpInput(const TapContext& context,
                          base::MatrixView<const float>) override {
    return context.layer == 1 ? absl::DataLossError("the tap's")
                              : absl::OkStatus();
  }
};

TEST(DenseWalkErrorsTest, AreNamed) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath("llama_gqa_bf16")));
  FailingTap tap;
  EXPECT_THAT(WalkForward(model, EightSequences("llama_gqa_bf16"), {}, &tap,
                          machine.resources())
                  .status(),
              StatusIs(absl::StatusCode::kDataLoss, "layer 1: the tap's"));
  EXPECT_THAT(WalkForward(model, text::TokenSequences(), {}, nullptr,
                          machine.resources())
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("dataset: expected at least one sequence")));
  text::TokenSequences foreign;
  foreign.Append({1, 2}, {1, 2});
  foreign.Append({1, 2, 512}, {1, 2, 512});
  EXPECT_THAT(
      WalkForward(model, foreign, {}, nullptr, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr(
                         "sequence 1, position 2: token id: expected 0 to 511"),
                     HasSubstr("found 512"))));
}

TEST(DenseWalkErrorsTest, NameTheWeightThatIsNotFinite) {
  for (const char* name : {"value_nan", "value_infinity"}) {
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(
        DenseModel model,
        DenseModel::Open(absl::StrCat("testdata/malformed/", name)));
    text::TokenSequences sequences;
    sequences.Append({1, 2}, {1, 2});
    EXPECT_THAT(
        WalkForward(model, sequences, {}, nullptr, machine.resources())
            .status(),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr("model.safetensors: tensor model.layers.0.")));
  }
}

// A checkpoint whose second layer drives float32 out of its range.
TEST(DenseWalkErrorsTest, NameTheActivationThatOverflows) {
  const base::testing::TempDirectory directory;
  const std::string from = FixturePath("llama_gqa_bf16");
  directory.Write(
      "config.json",
      base::ReadFile(absl::StrCat(from, "/config.json"), 1 << 20).value());
  MOE_ASSERT_OK_AND_ASSIGN(checkpoint::HostTensors tensors,
                           checkpoint::ReadSafetensorsFile(
                               absl::StrCat(from, "/model.safetensors")));
  for (const char* part : {"gate", "up"}) {
    // Every weight 2^120.
    std::string& bytes =
        tensors.at(absl::StrCat("model.layers.1.mlp.", part, "_proj.weight"))
            .bytes;
    for (size_t i = 0; i < bytes.size(); i += 2) {
      bytes[i] = static_cast<char>(0x80);
      bytes[i + 1] = static_cast<char>(0x7b);
    }
  }
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      directory.Path("model.safetensors"), tensors, {}, /*overwrite=*/false));
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(directory.path()));
  WalkOptions options;
  options.tokens_at_once = 1;  // Sequences are numbered over all groups.
  EXPECT_THAT(WalkForward(model, EightSequences("llama_gqa_bf16"), options,
                          nullptr, machine.resources())
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("layer 1: MLP activation of sequence 0, "
                                 "position ")));
}

}  // namespace
}  // namespace moe::model
