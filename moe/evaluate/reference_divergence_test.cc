#include "moe/evaluate/reference_divergence.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/evaluate/evaluate_loss.h"
#include "moe/evaluate/evaluate_options.pb.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/token_losses.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::evaluate {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::GoldenSequences;
using ::moe::model::testing::MoeFixturePath;
using ::moe::model::testing::MoeGoldens;
using ::moe::model::testing::WalkMachine;
using ::testing::HasSubstr;

text::TokenSequences Sequences() {
  return GoldenSequences(MoeGoldens("vanilla"));
}

// How far the model at `path` is from the reference.
absl::StatusOr<ReferenceDivergence> DivergenceOf(
    const std::string& reference_path, const std::string& path,
    int64_t budget = base::MemoryBudget::kUnlimited, int num_threads = 2) {
  WalkMachine machine(num_threads, budget);
  const text::TokenSequences sequences = Sequences();
  MOE_ASSIGN_OR_RETURN(model::Model reference,
                       model::Model::Open(reference_path));
  MOE_ASSIGN_OR_RETURN(model::Model model, model::Model::Open(path));
  MOE_ASSIGN_OR_RETURN(model::HiddenStates reference_hidden,
                       model::WalkForward(reference, sequences, {}, nullptr,
                                          machine.resources()));
  MOE_ASSIGN_OR_RETURN(
      model::HiddenStates hidden,
      model::WalkForward(model, sequences, {}, nullptr, machine.resources()));
  return DivergenceFromReference({reference, reference_hidden}, {model, hidden},
                                 sequences, machine.resources());
}

std::vector<std::vector<float>> LogitsOf(const std::string& path) {
  WalkMachine machine;
  model::Model model = model::Model::Open(path).value();
  EvaluateOptions options;
  options.set_num_logits_sequences(100);
  std::vector<std::vector<float>> logits;
  const LogitsSink sink = [&](base::MatrixView<const float> rows) {
    for (int64_t r = 0; r < rows.rows; ++r) {
      logits.emplace_back(rows.Row(r).begin(), rows.Row(r).end());
    }
    return absl::OkStatus();
  };
  EXPECT_TRUE(
      EvaluateLoss(model, Sequences(), options, {}, {sink}, machine.resources())
          .ok());
  return logits;
}

std::vector<double> Probabilities(const std::vector<float>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(x - largest);
  std::vector<double> p;
  for (const float x : logits) p.push_back(std::exp(x - largest) / sum);
  return p;
}

size_t FirstChoiceOf(const std::vector<float>& logits) {
  return static_cast<size_t>(std::max_element(logits.begin(), logits.end()) -
                             logits.begin());
}

TEST(ReferenceDivergenceTest, IsTheFormulaOverPredictingTokens) {
  const std::string reference_path = MoeFixturePath("vanilla");
  const std::string path = MoeFixturePath("residual");
  MOE_ASSERT_OK_AND_ASSIGN(const ReferenceDivergence found,
                           DivergenceOf(reference_path, path));
  const auto reference = LogitsOf(reference_path);
  const auto logits = LogitsOf(path);
  const std::vector<int32_t> targets = model::PredictedLabels(Sequences());
  std::vector<double> divergences;
  int64_t num_agreements = 0;
  for (size_t t = 0; t < targets.size(); ++t) {
    if (targets[t] == base::kIgnoredLabel) continue;
    const std::vector<double> p = Probabilities(reference[t]);
    const std::vector<double> q = Probabilities(logits[t]);
    double divergence = 0.0;
    for (size_t v = 0; v < p.size(); ++v) {
      divergence += p[v] * std::log(p[v] / q[v]);
    }
    divergences.push_back(divergence);
    num_agreements +=
        FirstChoiceOf(reference[t]) == FirstChoiceOf(logits[t]) ? 1 : 0;
  }
  std::sort(divergences.begin(), divergences.end());
  double sum = 0.0;
  for (const double divergence : divergences) sum += divergence;
  const size_t n = divergences.size();
  EXPECT_EQ(found.num_predicted_tokens, static_cast<int64_t>(n));
  EXPECT_NEAR(found.mean, sum / static_cast<double>(n), 1e-5);
  EXPECT_GT(found.mean, 0.01);
  EXPECT_NEAR(found.median, divergences[(n * 50 + 99) / 100 - 1], 1e-5);
  EXPECT_NEAR(found.quantile_90, divergences[(n * 90 + 99) / 100 - 1], 1e-5);
  EXPECT_NEAR(found.quantile_99, divergences[(n * 99 + 99) / 100 - 1], 1e-5);
  EXPECT_NEAR(found.largest, divergences.back(), 1e-5);
  EXPECT_EQ(found.num_agreements, num_agreements);
}

TEST(ReferenceDivergenceTest, IsZeroFromItself) {
  const std::string path = MoeFixturePath("vanilla");
  MOE_ASSERT_OK_AND_ASSIGN(const ReferenceDivergence found,
                           DivergenceOf(path, path));
  EXPECT_EQ(found.mean, 0.0);
  EXPECT_EQ(found.largest, 0.0f);
  EXPECT_EQ(found.agreement(), 1.0);
}

TEST(ReferenceDivergenceTest, HasTheSameBitsWithAnyBudgetAndThreads) {
  const std::string reference_path = MoeFixturePath("residual");
  const std::string path = MoeFixturePath("vanilla");
  MOE_ASSERT_OK_AND_ASSIGN(
      const ReferenceDivergence expected,
      DivergenceOf(reference_path, path, base::MemoryBudget::kUnlimited, 1));
  for (const int64_t budget : {int64_t{8} << 20, int64_t{3} << 20}) {
    MOE_ASSERT_OK_AND_ASSIGN(const ReferenceDivergence found,
                             DivergenceOf(reference_path, path, budget, 3));
    EXPECT_EQ(found.mean, expected.mean);
    EXPECT_EQ(found.quantile_99, expected.quantile_99);
    EXPECT_EQ(found.num_agreements, expected.num_agreements);
  }
}

TEST(ReferenceDivergenceTest, RefusesAnotherVocabulary) {
  MOE_ASSERT_OK_AND_ASSIGN(const model::Model reference,
                           model::Model::Open(FixturePath("llama_gqa_bf16")));
  MOE_ASSERT_OK_AND_ASSIGN(const model::Model model,
                           model::Model::Open(MoeFixturePath("vanilla")));
  EXPECT_THAT(CheckReferenceModel(reference, model),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("vocab_size: expected 64 as in ")));
}

}  // namespace
}  // namespace moe::evaluate
