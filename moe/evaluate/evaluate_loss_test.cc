#include "moe/evaluate/evaluate_loss.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/evaluate/evaluate_options.pb.h"
#include "moe/evaluate/expert_load.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {
namespace {

using ::moe::testing::FixtureNames;
using ::moe::testing::FixturePath;
using ::moe::testing::GoldenRows;
using ::moe::testing::Goldens;
using ::moe::testing::GoldenSequences;
using ::moe::testing::Int64sOf;
using ::moe::testing::MoeFixtureNames;
using ::moe::testing::MoeFixturePath;
using ::moe::testing::MoeGoldens;
using ::moe::testing::StatusIs;
using ::moe::testing::WalkMachine;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(EvaluateLossTest, IsTransformersInBothNumerics) {
  for (const std::string& name : FixtureNames()) {
    const HostTensors goldens = Goldens(name);
    double want = 0.0;
    std::memcpy(&want, goldens.at("loss").bytes.data(), sizeof(want));
    const std::vector<float> logits = GoldenRows(goldens, "logits");
    for (const auto numerics :
         {EvaluateOptions::EXACT, EvaluateOptions::ATEN}) {
      WalkMachine machine;
      MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(FixturePath(name)));
      EvaluateOptions options;
      options.set_numerics(numerics);
      options.set_num_logits_sequences(10);  // There are three.
      std::vector<float> got;
      const LogitsSink sink = [&](MatrixView<const float> rows) {
        for (int64_t r = 0; r < rows.rows; ++r) {
          got.insert(got.end(), rows.Row(r).begin(), rows.Row(r).end());
        }
        return absl::OkStatus();
      };
      MOE_ASSERT_OK_AND_ASSIGN(
          const LossEvaluation evaluation,
          EvaluateLoss(model, GoldenSequences(goldens), options, {}, sink,
                       machine.resources()));
      // The bars are 1e-5 and 2e-4.
      EXPECT_NEAR(evaluation.mean_loss, want, 2e-6) << name;
      EXPECT_NEAR(evaluation.perplexity / std::exp(want), 1.0, 1e-6) << name;
      EXPECT_EQ(evaluation.num_sequences, 3);
      EXPECT_EQ(evaluation.num_tokens, 66);
      EXPECT_EQ(evaluation.num_predicted_tokens, 63);
      EXPECT_EQ(evaluation.losses.size(), 66);
      EXPECT_EQ(evaluation.losses_digest.size(), 64);
      EXPECT_THAT(evaluation.expert_loads, IsEmpty());
      ASSERT_EQ(got.size(), logits.size());
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got[i], logits[i], 5e-5) << name << ", " << i;
      }
    }
  }
}

TEST(EvaluateLossTest, IsTheTravellingModelCodeWithExperts) {
  for (const std::string& name : MoeFixtureNames()) {
    SCOPED_TRACE(name);
    const HostTensors goldens = MoeGoldens(name);
    double want = 0.0;
    std::memcpy(&want, goldens.at("loss").bytes.data(), sizeof(want));
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath(name)));
    MOE_ASSERT_OK_AND_ASSIGN(const LossEvaluation evaluation,
                             EvaluateLoss(model, GoldenSequences(goldens), {},
                                          {}, nullptr, machine.resources()));
    // The bar is 1e-5.
    EXPECT_NEAR(evaluation.mean_loss, want, 2e-6);
    std::map<std::string, std::vector<int64_t>> loads;
    for (const ExpertLoad& load : evaluation.expert_loads) {
      const std::string at = absl::StrCat("load.", load.layer);
      if (!load.mlp.empty()) loads[at] = load.mlp;
      if (!load.attention.empty()) loads["attention_" + at] = load.attention;
    }
    for (const auto& [tensor, values] : goldens) {
      if (tensor.find("load.") == std::string::npos) continue;
      const std::vector<int32_t> counts = Int64sOf(values);
      EXPECT_EQ(loads[tensor],
                std::vector<int64_t>(counts.begin(), counts.end()));
      loads.erase(tensor);
    }
    EXPECT_THAT(loads, IsEmpty());
  }
}

TEST(EvaluateLossTest, HasExpertsInExactNumericsOnly) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath("vanilla")));
  EvaluateOptions options;
  options.set_numerics(EvaluateOptions::ATEN);
  EXPECT_THAT(EvaluateLoss(model, GoldenSequences(MoeGoldens("vanilla")),
                           options, {}, nullptr, machine.resources())
                  .status(),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("testdata/moe/vanilla is a Mixture of "
                                 "Experts: set numerics to exact")));
}

TEST(EvaluateLossTest, WithoutLabelsIsAnErrorBeforeAnyWork) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(Model model,
                           Model::Open(FixturePath("llama_gqa_bf16")));
  TokenSequences sequences;
  sequences.Append({1, 2}, {1, kIgnoredLabel});
  EXPECT_THAT(
      EvaluateLoss(model, sequences, {}, {}, nullptr, machine.resources())
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected at least one token that predicts a label")));
  EXPECT_THAT(EvaluateLoss(model, TokenSequences(), {}, {}, nullptr,
                           machine.resources())
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("dataset: expected at least one sequence")));
}

TEST(ValidateEvaluateOptionsTest, NamesTheField) {
  EvaluateOptions options;
  MOE_EXPECT_OK(ValidateEvaluateOptions(options));
  options.set_device(EvaluateOptions::CUDA);
  EXPECT_THAT(ValidateEvaluateOptions(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("device is cuda")));
  options.set_numerics(EvaluateOptions::ATEN);
  MOE_EXPECT_OK(ValidateEvaluateOptions(options));
  options.Clear();
  options.set_bfloat16_products(true);
  EXPECT_THAT(ValidateEvaluateOptions(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("bfloat16_products is set")));
  options.Clear();
  options.set_num_logits_sequences(-1);
  EXPECT_THAT(ValidateEvaluateOptions(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_logits_sequences is -1")));
}

}  // namespace
}  // namespace moe
