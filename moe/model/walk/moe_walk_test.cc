#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/output_head.h"
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
using ::moe::model::testing::GoldenRows;
using ::moe::model::testing::GoldenSequences;
using ::moe::model::testing::Int64sOf;
using ::moe::model::testing::MoeFixtureNames;
using ::moe::model::testing::MoeFixturePath;
using ::moe::model::testing::MoeGoldens;
using ::moe::model::testing::RelativeError;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

std::vector<float> ValuesOf(base::MatrixView<const float> rows) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows.rows; ++r) {
    values.insert(values.end(), rows.Row(r).begin(), rows.Row(r).end());
  }
  return values;
}

std::vector<float> AllRows(HiddenStates& states) {
  base::Matrix<float> buffer;
  return ValuesOf(states.Load(0, states.num_tokens(), buffer).value());
}

// How many tokens chose each expert, by layer and block; and the walk's
// outputs, added to the embedding one after the other.
class LoadTap : public WalkTap {
 public:
  absl::Status OnRouting(const TapContext& context, DecoderBlock block,
                         const std::vector<ExpertTokens>& experts) override {
    std::vector<int32_t>& load = loads[LoadName(context.layer, block)];
    load.resize(experts.size());
    for (size_t e = 0; e < experts.size(); ++e) {
      load[e] += static_cast<int32_t>(experts[e].rows.size());
    }
    return absl::OkStatus();
  }

  static std::string LoadName(int64_t layer, DecoderBlock block) {
    return absl::StrCat(
        block == DecoderBlock::kMlp ? "load." : "attention_load.", layer);
  }

  std::map<std::string, std::vector<int32_t>> loads;
};

TEST(MoeWalkTest, IsTheTravellingModelCode) {
  for (const std::string& name : MoeFixtureNames()) {
    SCOPED_TRACE(name);
    const checkpoint::HostTensors goldens = MoeGoldens(name);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath(name)));
    LoadTap tap;
    MOE_ASSERT_OK_AND_ASSIGN(HiddenStates hidden,
                             WalkForward(model, GoldenSequences(goldens), {},
                                         &tap, machine.resources()));
    const std::string last =
        absl::StrCat("hidden.", model.config().num_hidden_layers);
    EXPECT_LT(RelativeError(AllRows(hidden), GoldenRows(goldens, last)), 5e-6);
    std::map<std::string, std::vector<int32_t>> loads;
    for (const auto& [tensor, values] : goldens) {
      if (tensor.find("load.") == std::string::npos) continue;
      loads[tensor] = Int64sOf(values);
    }
    EXPECT_EQ(tap.loads, loads);
    MOE_ASSERT_OK_AND_ASSIGN(OutputHead head,
                             OutputHead::Create(model, LayerPasses::kForward,
                                                machine.budget, machine.pool));
    const std::vector<float> want = GoldenRows(goldens, "logits");
    base::Matrix<float> buffer;
    MOE_ASSERT_OK_AND_ASSIGN(const base::MatrixView<float> rows,
                             hidden.Load(0, hidden.num_tokens(), buffer));
    MOE_ASSERT_OK(head.Logits(rows, [&](int64_t first_row,
                                        base::MatrixView<float> logits) {
      const std::vector<float> got = ValuesOf(logits);
      const auto first = static_cast<size_t>(first_row * logits.cols);
      double worst = 0.0;
      for (size_t i = 0; i < got.size(); ++i) {
        worst = std::max(worst, std::fabs(double{got[i]} - want[first + i]));
      }
      // The bar is 2e-4.
      EXPECT_LT(worst, 5e-5);
      RecordProperty(name, absl::StrCat(worst));
      return absl::OkStatus();
    }));
  }
}

using MoeWalkBitsTest = ::moe::kernels::testing::KernelTest;

std::vector<float> WalkValues(Model& model,
                              const text::TokenSequences& sequences,
                              const WalkOptions& options,
                              const WalkResources& resources) {
  absl::StatusOr<HiddenStates> hidden =
      WalkForward(model, sequences, options, nullptr, resources);
  MOE_EXPECT_OK(hidden.status());
  return hidden.ok() ? AllRows(*hidden) : std::vector<float>();
}

TEST_P(MoeWalkBitsTest, AreTheSameOnEveryMachine) {
  // Computed on the first machine: pins the bits everywhere.
  const std::map<std::string, std::string> digests = {
      {"residual", "8f835636dbb679e9"},
      {"attention", "f48a1edcb88d7d3a"},
      {"biases", "467c08c3fc66f934"}};
  for (const auto& [name, digest] : digests) {
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath(name)));
    EXPECT_EQ(
        Digest<float>(WalkValues(model, EightSequences(MoeGoldens(name)), {},
                                 {machine.budget, pool(), machine.progress})),
        digest)
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, MoeWalkBitsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(MoeWalkTest, BitsDoNotDependOnWhichSequencesGoTogether) {
  for (const std::string& name : MoeFixtureNames()) {
    SCOPED_TRACE(name);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath(name)));
    const text::TokenSequences sequences = EightSequences(MoeGoldens(name));
    const std::vector<float> want =
        WalkValues(model, sequences, {}, machine.resources());
    for (const int64_t tokens_at_once : {1, 50, 100}) {
      WalkOptions options;
      options.tokens_at_once = tokens_at_once;
      options.blocks.expert_rows = 1 + tokens_at_once / 10;
      EXPECT_EQ(WalkValues(model, sequences, options, machine.resources()),
                want);
    }
    // In walks of their own.
    std::vector<float> apart;
    for (int64_t s = 0; s < sequences.num_sequences(); ++s) {
      text::TokenSequences one;
      one.Append(sequences.input_ids(s), sequences.labels(s));
      const std::vector<float> rows =
          WalkValues(model, one, {}, machine.resources());
      apart.insert(apart.end(), rows.begin(), rows.end());
    }
    EXPECT_EQ(apart, want);
  }
}

void ExpectSameBitsForAllBudgets(const std::string& name) {
  const text::TokenSequences sequences = EightSequences(MoeGoldens(name));
  const int64_t smallest = SmallestBudget([&](int64_t budget_bytes) {
    WalkMachine machine(2, budget_bytes);
    Model model = Model::Open(MoeFixturePath(name)).value();
    return WalkForward(model, sequences, {}, nullptr, machine.resources())
        .status();
  });
  WalkMachine unlimited;
  MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath(name)));
  const std::vector<float> want =
      WalkValues(model, sequences, {}, unlimited.resources());
  EXPECT_TRUE(model.keeps(LayerPasses::kForward));
  bool is_kept = false;
  for (int64_t budget = smallest; !is_kept; budget = budget * 9 / 8) {
    WalkMachine machine(2, budget);
    MOE_ASSERT_OK_AND_ASSIGN(Model fresh, Model::Open(MoeFixturePath(name)));
    EXPECT_EQ(WalkValues(fresh, sequences, {}, machine.resources()), want);
    is_kept = fresh.keeps(LayerPasses::kForward);
  }
}

TEST(MoeWalkMemoryTest, BitsAreTheSameFromOneLayerToUnlimited) {
  for (const std::string& name : MoeFixtureNames()) {
    SCOPED_TRACE(name);
    ExpectSameBitsForAllBudgets(name);
  }
}

// What is done to every row of a block's output, or of its experts' where it
// has a residual one: y = y * scale + bias, by feature.
struct Change {
  std::vector<float> scale, bias;
};

// From the smallest and largest of a feature over all tokens, the residual's
// too, so that a token that is missing or seen twice or changed shows.
class FeatureRange {
 public:
  void Add(const BlockOutput& out) {
    for (const base::MatrixView<float>& rows : {out.output, out.residual}) {
      if (rows.rows > 0 && smallest_.empty()) {
        smallest_.assign(static_cast<size_t>(rows.cols), 1e30f);
        largest_.assign(static_cast<size_t>(rows.cols), -1e30f);
      }
      for (int64_t t = 0; t < rows.rows; ++t) {
        for (size_t i = 0; i < smallest_.size(); ++i) {
          smallest_[i] = std::min(smallest_[i], rows.Row(t)[i]);
          largest_[i] = std::max(largest_[i], rows.Row(t)[i]);
        }
      }
    }
  }
  Change Finish() const {
    Change change;
    for (size_t i = 0; i < smallest_.size(); ++i) {
      change.scale.push_back(1.0f / (1.0f + largest_[i] - smallest_[i]));
      change.bias.push_back(0.25f * smallest_[i]);
    }
    return change;
  }

 private:
  std::vector<float> smallest_, largest_;
};

void Apply(const Change& change, base::MatrixView<float> rows) {
  for (int64_t t = 0; t < rows.rows; ++t) {
    for (size_t i = 0; i < change.scale.size(); ++i) {
      float& y = rows.Row(t)[i];
      y = y * change.scale[i] + change.bias[i];
    }
  }
}

// Changes every block by what it has surveyed; or, by `surveys`, one only.
class ChangingTap : public WalkTap {
 public:
  using Place = std::pair<int64_t, DecoderBlock>;

  explicit ChangingTap(std::function<bool(Place)> surveys)
      : surveys_(std::move(surveys)) {}

  bool Surveys(int64_t layer, DecoderBlock block) const override {
    return surveys_({layer, block});
  }
  absl::Status OnSurvey(const TapContext& context, DecoderBlock block,
                        const BlockOutput& out) override {
    Note("survey", context, block);
    range_.Add(out);
    return absl::OkStatus();
  }
  absl::Status OnSurveyEnd(int64_t layer, DecoderBlock block) override {
    events.push_back(absl::StrCat("end of survey ", layer, ".",
                                  block == DecoderBlock::kMlp));
    changes_[{layer, block}] = std::exchange(range_, {}).Finish();
    return absl::OkStatus();
  }
  absl::Status OnBlockParts(const TapContext& context, DecoderBlock block,
                            const BlockOutput& out) override {
    Note("parts", context, block);
    const auto change = changes_.find({context.layer, block});
    if (change != changes_.end()) Apply(change->second, out.output);
    return absl::OkStatus();
  }

  std::vector<std::string> events;

 private:
  void Note(absl::string_view what, const TapContext& context,
            DecoderBlock block) {
    events.push_back(absl::StrCat(what, " ", context.layer, ".",
                                  block == DecoderBlock::kMlp, " from ",
                                  context.group.first_token));
  }

  const std::function<bool(Place)> surveys_;
  FeatureRange range_;
  std::map<Place, Change> changes_;
};

bool Everywhere(ChangingTap::Place) { return true; }

// What comes of changing block after block, each in a walk of its own that
// looks at that block alone: the tap keeps what it has found before.
std::vector<float> ChangeInManyWalks(Model& model,
                                     const text::TokenSequences& sequences,
                                     const WalkResources& resources) {
  ChangingTap::Place current;
  ChangingTap tap([&](ChangingTap::Place place) { return place == current; });
  std::vector<float> last;
  for (int64_t layer = 0; layer < model.config().num_hidden_layers; ++layer) {
    for (const DecoderBlock block :
         {DecoderBlock::kAttention, DecoderBlock::kMlp}) {
      current = {layer, block};
      HiddenStates hidden =
          WalkForward(model, sequences, {}, &tap, resources).value();
      last = AllRows(hidden);
    }
  }
  return last;
}

TEST(SurveyTest, ChangesEveryBlockInOneWalkAsInManyWalks) {
  for (const std::string& name : MoeFixtureNames()) {
    SCOPED_TRACE(name);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath(name)));
    const text::TokenSequences sequences = EightSequences(MoeGoldens(name));
    const std::vector<float> want =
        ChangeInManyWalks(model, sequences, machine.resources());
    EXPECT_NE(want, WalkValues(model, sequences, {}, machine.resources()));
    for (const int64_t tokens_at_once : {1, 60, 4096}) {
      WalkOptions options;
      options.tokens_at_once = tokens_at_once;
      ChangingTap tap(Everywhere);
      MOE_ASSERT_OK_AND_ASSIGN(
          HiddenStates hidden,
          WalkForward(model, sequences, options, &tap, machine.resources()));
      EXPECT_EQ(AllRows(hidden), want);
    }
  }
}

TEST(SurveyTest, MayBeOfADenseModel) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      Model model, Model::Open(testing::FixturePath("llama_headdim_f16")));
  const text::TokenSequences sequences = EightSequences("llama_headdim_f16");
  const std::vector<float> want =
      ChangeInManyWalks(model, sequences, machine.resources());
  ChangingTap tap(Everywhere);
  MOE_ASSERT_OK_AND_ASSIGN(
      HiddenStates hidden,
      WalkForward(model, sequences, {}, &tap, machine.resources()));
  EXPECT_EQ(AllRows(hidden), want);
}

// Outputs that are held back are spilled where there is no room for them.
TEST(SurveyTest, BitsDoNotDependOnTheBudget) {
  const text::TokenSequences sequences = EightSequences(MoeGoldens("residual"));
  const auto run = [&](int64_t budget_bytes) -> absl::StatusOr<std::string> {
    WalkMachine machine(2, budget_bytes);
    MOE_ASSIGN_OR_RETURN(Model model, Model::Open(MoeFixturePath("residual")));
    ChangingTap tap(Everywhere);
    MOE_ASSIGN_OR_RETURN(
        HiddenStates hidden,
        WalkForward(model, sequences, {}, &tap, machine.resources()));
    return Digest<float>(AllRows(hidden));
  };
  MOE_ASSERT_OK_AND_ASSIGN(const std::string want,
                           run(base::MemoryBudget::kUnlimited));
  const int64_t smallest = SmallestBudget(
      [&](int64_t budget_bytes) { return run(budget_bytes).status(); });
  for (int64_t budget = smallest; budget < 4 * smallest;
       budget = budget * 9 / 8) {
    MOE_ASSERT_OK_AND_ASSIGN(const std::string digest, run(budget));
    EXPECT_EQ(digest, want);
  }
}

TEST(SurveyTest, ComesBeforeAnyOutputGoesOn) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath("vanilla")));
  WalkOptions options;
  options.tokens_at_once = 20;  // Sequences 0 and 1, then 2.
  ChangingTap tap([](ChangingTap::Place place) { return place.first == 1; });
  MOE_ASSERT_OK(WalkForward(model, GoldenSequences(MoeGoldens("vanilla")),
                            options, &tap, machine.resources())
                    .status());
  EXPECT_THAT(absl::MakeConstSpan(tap.events).subspan(0, 4),
              ElementsAre("parts 0.0 from 0", "parts 0.1 from 0",
                          "parts 0.0 from 18", "parts 0.1 from 18"));
  EXPECT_THAT(absl::MakeConstSpan(tap.events).subspan(4, 10),
              ElementsAre("survey 1.0 from 0", "survey 1.0 from 18",
                          "end of survey 1.0", "parts 1.0 from 0",
                          "survey 1.1 from 0", "parts 1.0 from 18",
                          "survey 1.1 from 18", "end of survey 1.1",
                          "parts 1.1 from 0", "parts 1.1 from 18"));
}

// The parts of the residual type, and their sum.
class PartsTap : public WalkTap {
 public:
  absl::Status OnBlockParts(const TapContext&, DecoderBlock block,
                            const BlockOutput& out) override {
    if (block == DecoderBlock::kAttention) {
      EXPECT_EQ(out.residual.rows, 0);
      return absl::OkStatus();
    }
    EXPECT_TRUE(base::SameShape(out.output, out.residual));
    want_ = ValuesOf(out.output);
    const std::vector<float> residual = ValuesOf(out.residual);
    for (size_t i = 0; i < want_.size(); ++i) want_[i] += residual[i];
    return absl::OkStatus();
  }
  absl::Status OnMlpOutput(const TapContext&,
                           base::MatrixView<float> output) override {
    EXPECT_EQ(ValuesOf(output), want_);
    ++num_outputs;
    return absl::OkStatus();
  }

  int num_outputs = 0;

 private:
  std::vector<float> want_;
};

TEST(MoeWalkTest, TheOutputIsTheSumOfTheParts) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(Model model,
                           Model::Open(MoeFixturePath("residual")));
  PartsTap tap;
  MOE_ASSERT_OK(WalkForward(model, GoldenSequences(MoeGoldens("residual")), {},
                            &tap, machine.resources())
                    .status());
  EXPECT_EQ(tap.num_outputs, 3);
}

// The hidden states after each layer.
class LayerOutputTap : public WalkTap {
 public:
  explicit LayerOutputTap(bool surveys) : surveys_(surveys) {}

  bool Surveys(int64_t, DecoderBlock) const override { return surveys_; }
  absl::Status OnLayerStart(int64_t) override {
    outputs.emplace_back();
    return absl::OkStatus();
  }
  absl::Status OnLayerOutput(const TapContext& context,
                             base::MatrixView<const float> hidden) override {
    EXPECT_EQ(hidden.rows, context.group.num_tokens());
    EXPECT_EQ(context.group.first_token * hidden.cols, outputs.back().size());
    const std::vector<float> values = ValuesOf(hidden);
    outputs.back().insert(outputs.back().end(), values.begin(), values.end());
    return absl::OkStatus();
  }

  std::vector<std::vector<float>> outputs;

 private:
  const bool surveys_;
};

TEST(MoeWalkTest, ShowsTheHiddenStatesAfterEachLayer) {
  const checkpoint::HostTensors goldens = MoeGoldens("residual");
  for (const bool surveys : {false, true}) {
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(Model model,
                             Model::Open(MoeFixturePath("residual")));
    LayerOutputTap tap(surveys);
    WalkOptions options;
    options.tokens_at_once = 20;
    MOE_ASSERT_OK_AND_ASSIGN(HiddenStates hidden,
                             WalkForward(model, GoldenSequences(goldens),
                                         options, &tap, machine.resources()));
    ASSERT_EQ(tap.outputs.size(), model.config().num_hidden_layers);
    EXPECT_EQ(tap.outputs.back(), AllRows(hidden));
    EXPECT_LT(RelativeError(tap.outputs[0], GoldenRows(goldens, "hidden.1")),
              5e-6);
  }
}

// A copy of a fixture with one tensor changed.
absl::Status WalkAfter(
    absl::string_view name,
    absl::FunctionRef<void(checkpoint::HostTensors&)> change) {
  const base::testing::TempDirectory directory;
  const std::string from = MoeFixturePath(name);
  directory.Write(
      "config.json",
      base::ReadFile(absl::StrCat(from, "/config.json"), 1 << 20).value());
  checkpoint::HostTensors tensors =
      checkpoint::ReadSafetensorsFile(absl::StrCat(from, "/model.safetensors"))
          .value();
  change(tensors);
  MOE_RETURN_IF_ERROR(checkpoint::WriteSafetensorsFile(
      directory.Path("model.safetensors"), tensors, {}, /*overwrite=*/false));
  MOE_ASSIGN_OR_RETURN(Model model, Model::Open(directory.path()));
  WalkMachine machine;
  return WalkForward(model, GoldenSequences(MoeGoldens(name)), {}, nullptr,
                     machine.resources())
      .status();
}

TEST(MoeWalkErrorsTest, NameTheTensor) {
  const auto set_first = [](checkpoint::HostTensors& tensors,
                            const std::string& name, float value) {
    std::memcpy(tensors.at(name).bytes.data(), &value, sizeof(value));
  };
  const std::string layer = "model.layers.1.";
  for (const std::string& name :
       {layer + "block_sparse_moe.gate.weight",
        layer + "block_sparse_moe.experts.2.w2.bias",
        layer + "self_attn.gate.weight", layer + "self_attn.k_proj.3.weight",
        layer + "self_attn.o_proj.3.bias"}) {
    EXPECT_THAT(
        WalkAfter("aligned",
                  [&](checkpoint::HostTensors& tensors) {
                    set_first(tensors, name, NAN);
                  }),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr(absl::StrCat("tensor ", name, ", element 0")),
                       HasSubstr("NaN or infinity"))));
    EXPECT_THAT(WalkAfter("aligned",
                          [&](checkpoint::HostTensors& tensors) {
                            tensors.erase(name);
                          }),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
    EXPECT_THAT(WalkAfter("aligned",
                          [&](checkpoint::HostTensors& tensors) {
                            checkpoint::HostTensor& tensor = tensors.at(name);
                            tensor.shape.back() *= 2;
                            tensor.bytes += std::string(tensor.bytes);
                          }),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  }
  // Finite, and yet out of range after a product.
  EXPECT_THAT(WalkAfter("aligned",
                        [&](checkpoint::HostTensors& tensors) {
                          const std::string name =
                              layer + "block_sparse_moe.gate.weight";
                          const float value = 3e38f;
                          std::string& bytes = tensors.at(name).bytes;
                          for (size_t at = 0; at < bytes.size(); at += 4) {
                            std::memcpy(bytes.data() + at, &value, 4);
                          }
                        }),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("layer 1: router logits of sequence 0, "
                                 "position 0, feature 0 of 4")));
}

}  // namespace
}  // namespace moe::model
