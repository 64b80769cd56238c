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
#include "moe/base/json.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/evaluate/evaluate_options.pb.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/sequence_groups.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::evaluate {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::FixtureNames;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::GoldenRows;
using ::moe::model::testing::Goldens;
using ::moe::model::testing::GoldenSequences;
using ::moe::model::testing::Int64sOf;
using ::moe::model::testing::MoeFixtureNames;
using ::moe::model::testing::MoeFixturePath;
using ::moe::model::testing::MoeGoldens;
using ::moe::model::testing::WalkMachine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two groups in two layers, the second with attention experts only.
std::vector<ExpertLoad> TwoLayers() {
  const model::SequenceGroup group = {0, 0, {0, 4}};
  ExpertLoadTap tap;
  const auto see = [&](int64_t layer, model::DecoderBlock block,
                       const std::vector<std::vector<int64_t>>& rows) {
    std::vector<model::ExpertTokens> experts;
    for (const std::vector<int64_t>& of_expert : rows) {
      experts.push_back({of_expert, std::vector<float>(of_expert.size())});
    }
    MOE_EXPECT_OK(tap.OnRouting({layer, group}, block, experts));
  };
  see(1, model::DecoderBlock::kAttention, {{0, 1}, {2, 3}});
  see(1, model::DecoderBlock::kMlp, {{0, 3}, {}, {1, 2}});
  see(1, model::DecoderBlock::kAttention, {{}, {0, 1, 2, 3}});
  see(1, model::DecoderBlock::kMlp, {{0, 1}, {2}, {3}});
  see(3, model::DecoderBlock::kAttention, {{1}, {0, 2, 3}});
  return tap.loads();
}

TEST(ExpertLoadTest, IsSummedOverGroups) {
  const std::vector<ExpertLoad> loads = TwoLayers();
  ASSERT_THAT(loads, SizeIs(2));
  EXPECT_EQ(loads[0].layer, 1);
  EXPECT_THAT(loads[0].attention, ElementsAre(2, 6));
  EXPECT_THAT(loads[0].mlp, ElementsAre(4, 1, 3));
  EXPECT_EQ(loads[1].layer, 3);
  EXPECT_THAT(loads[1].attention, ElementsAre(1, 3));
  EXPECT_THAT(loads[1].mlp, IsEmpty());
}

TEST(ExpertLoadTest, AsJsonAndText) {
  EXPECT_EQ(ExpertLoadToJson(TwoLayers()),
            base::Json::parse(R"([{"layer": 1, "mlp": [4, 1, 3],
                             "attention": [2, 6]},
                            {"layer": 3, "attention": [1, 3]}])"));
  // 6 of a mean of 4, 4 of 8 / 3, 3 of 2.
  EXPECT_EQ(FormatExpertLoad(TwoLayers()),
            "  expert load, tokens\n"
            "    layer  1 attention  2 6  (largest 1.50 of the mean)\n"
            "    layer  1 MLP        4 1 3  (largest 1.50 of the mean)\n"
            "    layer  3 attention  1 3  (largest 1.50 of the mean)\n");
  EXPECT_EQ(FormatExpertLoad({}), "");
  EXPECT_EQ(ExpertLoadToJson({}), base::Json::array());
}

TEST(EvaluateLossTest, IsTransformersInBothNumerics) {
  for (const std::string& name : FixtureNames()) {
    const checkpoint::HostTensors goldens = Goldens(name);
    double want = 0.0;
    std::memcpy(&want, goldens.at("loss").bytes.data(), sizeof(want));
    const std::vector<float> logits = GoldenRows(goldens, "logits");
    for (const auto numerics :
         {EvaluateOptions::EXACT, EvaluateOptions::ATEN}) {
      WalkMachine machine;
      MOE_ASSERT_OK_AND_ASSIGN(model::Model model,
                               model::Model::Open(FixturePath(name)));
      EvaluateOptions options;
      options.set_numerics(numerics);
      options.set_num_logits_sequences(10);  // There are three.
      std::vector<float> got;
      const LogitsSink sink = [&](base::MatrixView<const float> rows) {
        for (int64_t r = 0; r < rows.rows; ++r) {
          got.insert(got.end(), rows.Row(r).begin(), rows.Row(r).end());
        }
        return absl::OkStatus();
      };
      MOE_ASSERT_OK_AND_ASSIGN(
          const LossEvaluation evaluation,
          EvaluateLoss(model, GoldenSequences(goldens), options, {}, {sink},
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
    const checkpoint::HostTensors goldens = MoeGoldens(name);
    double want = 0.0;
    std::memcpy(&want, goldens.at("loss").bytes.data(), sizeof(want));
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(model::Model model,
                             model::Model::Open(MoeFixturePath(name)));
    MOE_ASSERT_OK_AND_ASSIGN(const LossEvaluation evaluation,
                             EvaluateLoss(model, GoldenSequences(goldens), {},
                                          {}, {}, machine.resources()));
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
  MOE_ASSERT_OK_AND_ASSIGN(model::Model model,
                           model::Model::Open(MoeFixturePath("vanilla")));
  EvaluateOptions options;
  options.set_numerics(EvaluateOptions::ATEN);
  EXPECT_THAT(
      EvaluateLoss(model, GoldenSequences(MoeGoldens("vanilla")), options, {},
                   {}, machine.resources())
          .status(),
      StatusIs(absl::StatusCode::kUnimplemented,
               HasSubstr("testdata/moe/vanilla: expected a dense model, "
                         "as numerics is aten, found a Mixture of "
                         "Experts; set numerics to exact")));
}

TEST(EvaluateLossTest, WithoutLabelsIsAnErrorBeforeAnyWork) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(model::Model model,
                           model::Model::Open(FixturePath("llama_gqa_bf16")));
  text::TokenSequences sequences;
  sequences.Append({1, 2}, {1, base::kIgnoredLabel});
  EXPECT_THAT(
      EvaluateLoss(model, sequences, {}, {}, {}, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected at least one token that predicts a label")));
  EXPECT_THAT(EvaluateLoss(model, text::TokenSequences(), {}, {}, {},
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
                       HasSubstr("device: expected cpu")));
  options.set_numerics(EvaluateOptions::ATEN);
  MOE_EXPECT_OK(ValidateEvaluateOptions(options));
  options.Clear();
  options.set_bfloat16_products(true);
  EXPECT_THAT(ValidateEvaluateOptions(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("bfloat16_products: expected false")));
  options.Clear();
  options.set_num_logits_sequences(-1);
  EXPECT_THAT(
      ValidateEvaluateOptions(options),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("num_logits_sequences: expected 0 or more, found -1")));
}

}  // namespace

}  // namespace moe::evaluate
