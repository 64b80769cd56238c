#include "moe/model/walk/dense_walk_back.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/token_losses.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/text/dataset/token_batches.h"
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
using ::moe::model::testing::Int64sOf;
using ::moe::model::testing::WalkMachine;
using ::testing::ElementsAre;
using ::testing::ValuesIn;

// What a walk back gives: by layer, rows of all tokens.
struct Gradients {
  std::vector<float> losses;
  std::map<int64_t, std::vector<float>> activation;
  std::map<int64_t, std::vector<float>> d_activation;

  std::vector<float> All() const {
    std::vector<float> all = losses;
    for (const auto* part : {&activation, &d_activation}) {
      for (const auto& [layer, rows] : *part) {
        all.insert(all.end(), rows.begin(), rows.end());
      }
    }
    return all;
  }
};

void Append(base::MatrixView<const float> rows, std::vector<float>& all) {
  for (int64_t r = 0; r < rows.rows; ++r) {
    all.insert(all.end(), rows.Row(r).begin(), rows.Row(r).end());
  }
}

absl::Status TryCollect(DenseModel& model, const text::TokenBatches& batches,
                        const WalkOptions& options,
                        const WalkResources& resources, Gradients& all) {
  int64_t last_layer = model.config().num_hidden_layers;
  const GradientTap tap = [&](const GradientRows& rows) {
    EXPECT_LE(rows.layer, last_layer);
    last_layer = rows.layer;
    EXPECT_EQ(rows.mlp_input.rows, rows.activation.rows);
    std::vector<float>& activation = all.activation[rows.layer];
    EXPECT_EQ(rows.first_token * rows.activation.cols,
              static_cast<int64_t>(activation.size()));
    Append(rows.activation, activation);
    Append(rows.d_activation, all.d_activation[rows.layer]);
    return absl::OkStatus();
  };
  absl::StatusOr<std::vector<float>> losses =
      WalkBack(model, WeighByBatch(batches), options, tap, resources);
  if (!losses.ok()) return losses.status();
  all.losses = *std::move(losses);
  return absl::OkStatus();
}

Gradients Collect(DenseModel& model, const text::TokenBatches& batches,
                  const WalkOptions& options, const WalkResources& resources) {
  Gradients all;
  MOE_EXPECT_OK(TryCollect(model, batches, options, resources, all));
  return all;
}

// Largest error over the largest number.
double LargestError(absl::Span<const float> got, absl::Span<const float> want) {
  double error = got.size() == want.size() ? 0.0 : INFINITY, largest = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    error = std::max(error, std::fabs(double{got[i]} - want[i]));
    largest = std::max(largest, std::fabs(double{want[i]}));
  }
  return error / largest;
}

// The golden sequences with the labels that their gradients are of.
text::TokenSequences LabelledSequences(const checkpoint::HostTensors& goldens,
                                       const checkpoint::HostTensors& gradients,
                                       absl::string_view prefix) {
  const text::TokenSequences plain = GoldenSequences(goldens);
  text::TokenSequences sequences;
  for (int64_t s = 0; s < 3; ++s) {
    sequences.Append(
        plain.input_ids(s),
        Int64sOf(gradients.at(absl::StrCat(prefix, "seq.", s, ".labels"))));
  }
  return sequences;
}

TEST(WalkBackTest, GradientsAreThoseOfAutograd) {
  for (const std::string& name : FixtureNames()) {
    const checkpoint::HostTensors goldens = Goldens(name);
    const checkpoint::HostTensors gradients =
        Goldens(absl::StrCat(name, "_gradients"));
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                             DenseModel::Open(FixturePath(name)));
    for (const char* prefix : {"", "masked."}) {
      const text::TokenBatches batches(
          LabelledSequences(goldens, gradients, prefix),
          /*batch_size=*/3);
      const Gradients got = Collect(model, batches, {}, machine.resources());
      for (const auto& [layer, rows] : got.d_activation) {
        std::vector<float> want;
        for (const int s : {0, 1, 2}) {
          const std::vector<float> part = ToFloats(gradients.at(
              absl::StrCat(prefix, "seq.", s, ".activation_gradient.", layer)));
          want.insert(want.end(), part.begin(), part.end());
        }
        const double error = LargestError(rows, want);
        RecordProperty(absl::StrCat(name, ".", prefix, layer),
                       absl::StrCat(error));
        // The bar is 1e-4.
        EXPECT_LT(error, 1e-5) << name << ", " << prefix << layer;
        EXPECT_LT(LargestError(got.activation.at(layer),
                               GoldenRows(gradients,
                                          absl::StrCat("activation.", layer))),
                  5e-6);
      }
      EXPECT_EQ(static_cast<int64_t>(got.d_activation.size()),
                model.config().num_hidden_layers);
    }
  }
}

TEST(WalkBackTest, LossesAreTheForwards) {
  const std::string name = "llama_gqa_bf16";
  const text::TokenBatches batches(EightSequences(name), /*batch_size=*/3);
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  const Gradients got = Collect(model, batches, {}, machine.resources());
  MOE_ASSERT_OK_AND_ASSIGN(HiddenStates hidden,
                           WalkForward(model, batches.sequences(), {}, nullptr,
                                       machine.resources()));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<float> losses,
      TokenLosses(model, batches.sequences(), hidden, machine.resources()));
  EXPECT_EQ(got.losses, losses);
  // A tap may be left out.
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<float> again,
      WalkBack(model, WeighByBatch(batches), {}, nullptr, machine.resources()));
  EXPECT_EQ(again, losses);
}

TEST(WalkBackTest, ABatchIsOneMean) {
  // The same sequences in batches of 1 and 2: gradients differ by the numbers
  // of labels alone, 47 and 29 apart, 76 together.
  const std::string name = "llama_headdim_f16";
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  const text::TokenSequences eight = EightSequences(name);
  text::TokenSequences two;
  for (const int64_t s : {0, 3})
    two.Append(eight.input_ids(s), eight.labels(s));
  const Gradients apart =
      Collect(model, text::TokenBatches(two, 1), {}, machine.resources());
  const Gradients together =
      Collect(model, text::TokenBatches(two, 2), {}, machine.resources());
  const int64_t cols = model.config().intermediate_size;
  for (const auto& [layer, rows] : apart.d_activation) {
    std::vector<float> scaled = rows;
    for (size_t i = 0; i < scaled.size(); ++i) {
      const bool is_first = static_cast<int64_t>(i) < 48 * cols;
      scaled[i] *= (is_first ? 47.0f : 29.0f) / 76.0f;
    }
    EXPECT_LT(LargestError(scaled, together.d_activation.at(layer)), 1e-5);
  }
}

TEST(WalkBackTest, ABatchWithoutLabelsHasZeros) {
  const std::string name = "llama_mha_f32_sharded";
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  text::TokenSequences sequences;
  sequences.Append({5, 6, 7}, {5, base::kIgnoredLabel, base::kIgnoredLabel});
  sequences.Append({8}, {8});
  const Gradients got =
      Collect(model, text::TokenBatches(sequences, 2), {}, machine.resources());
  EXPECT_THAT(got.losses, ElementsAre(0, 0, 0, 0));
  for (const auto& [layer, rows] : got.d_activation) {
    EXPECT_EQ(rows.size(), 4 * 160);
    for (const float value : rows) EXPECT_EQ(value, 0.0f) << layer;
  }
}

using WalkBackBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(WalkBackBitsTest, AreTheSameOnEveryMachine) {
  const std::string name = "llama_headdim_f16";
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  const text::TokenBatches batches(EightSequences(name), /*batch_size=*/3);
  // Computed on the first machine: pins the bits everywhere.
  EXPECT_EQ(Digest<float>(Collect(model, batches, {},
                                  {machine.budget, pool(), machine.progress})
                              .All()),
            "4cc105eb5565e087");
}

INSTANTIATE_TEST_SUITE_P(All, WalkBackBitsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(WalkBackMemoryTest, BitsAreTheSameFromOneLayerToUnlimited) {
  const std::string name = "llama_headdim_f16";
  const text::TokenBatches batches(EightSequences(name), /*batch_size=*/3);
  WalkMachine unlimited;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  const std::vector<float> want =
      Collect(model, batches, {}, unlimited.resources()).All();
  EXPECT_TRUE(model.keeps(LayerPasses::kForwardAndBackward));
  WalkOptions few;
  few.tokens_at_once = 20;
  EXPECT_EQ(Collect(model, batches, few, unlimited.resources()).All(), want);
  WalkMachine nothing(2, 0);
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel fresh,
                           DenseModel::Open(FixturePath(name)));
  EXPECT_THAT(
      WalkBack(fresh, WeighByBatch(batches), {}, nullptr, nothing.resources())
          .status(),
      StatusIs(absl::StatusCode::kResourceExhausted));
  int num_budgets = 0, num_too_small = 0;
  for (int64_t budget = int64_t{1} << 23; num_too_small < 3;
       budget = budget * 6 / 7) {
    WalkMachine machine(2, budget);
    MOE_ASSERT_OK_AND_ASSIGN(DenseModel other,
                             DenseModel::Open(FixturePath(name)));
    Gradients got;
    const absl::Status status =
        TryCollect(other, batches, {}, machine.resources(), got);
    if (absl::IsResourceExhausted(status)) {
      ++num_too_small;
      continue;
    }
    // More memory is never too little where less is enough.
    EXPECT_EQ(num_too_small, 0) << budget;
    ++num_budgets;
    EXPECT_EQ(got.All(), want);
  }
  EXPECT_GT(num_budgets, 3);
  EXPECT_GT(num_too_small, 0);
}

TEST(WalkBackErrorsTest, TheTapsEndTheWalk) {
  const std::string name = "llama_headdim_f16";
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath(name)));
  const text::TokenBatches batches(EightSequences(name), /*batch_size=*/3);
  const GradientTap tap = [](const GradientRows& rows) {
    return rows.layer == 1 ? absl::DataLossError("the tap's")
                           : absl::OkStatus();
  };
  EXPECT_THAT(
      WalkBack(model, WeighByBatch(batches), {}, tap, machine.resources())
          .status(),
      StatusIs(absl::StatusCode::kDataLoss, "layer 1: the tap's"));
}

}  // namespace
}  // namespace moe::model
