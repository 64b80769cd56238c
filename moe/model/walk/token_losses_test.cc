#include "moe/model/walk/token_losses.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::FixtureNames;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::Goldens;
using ::moe::model::testing::GoldenSequences;
using ::moe::model::testing::WalkMachine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PredictedLabelsTest, AreTheNextOnesOfTheSequence) {
  text::TokenSequences sequences;
  sequences.Append({5, 6, 7}, {5, base::kIgnoredLabel, 7});
  sequences.Append({8}, {8});
  sequences.Append({9, 10}, {9, 10});
  EXPECT_THAT(PredictedLabels(sequences),
              ElementsAre(base::kIgnoredLabel, 7, base::kIgnoredLabel,
                          base::kIgnoredLabel, 10, base::kIgnoredLabel));
}

double GoldenLoss(const checkpoint::HostTensors& goldens) {
  double loss = 0.0;
  std::memcpy(&loss, goldens.at("loss").bytes.data(), sizeof(loss));
  return loss;
}

TEST(TokenLossesTest, AreTransformers) {
  for (const std::string& name : FixtureNames()) {
    const checkpoint::HostTensors goldens = Goldens(name);
    const text::TokenSequences sequences = GoldenSequences(goldens);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                             DenseModel::Open(FixturePath(name)));
    std::vector<float> first;
    for (const int64_t tokens_at_once : {4096, 7}) {
      WalkOptions options;
      options.tokens_at_once = tokens_at_once;
      MOE_ASSERT_OK_AND_ASSIGN(
          HiddenStates hidden,
          WalkForward(model, sequences, options, nullptr, machine.resources()));
      MOE_ASSERT_OK_AND_ASSIGN(
          const std::vector<float> losses,
          TokenLosses(model, sequences, hidden, machine.resources()));
      if (first.empty()) first = losses;
      EXPECT_EQ(losses, first);
      MOE_ASSERT_OK_AND_ASSIGN(
          const MeanLoss mean,
          MeanOfLosses(losses, PredictedLabels(sequences), machine.pool));
      EXPECT_EQ(mean.num_predicted_tokens, 16 + 47);
      RecordProperty(name, absl::StrCat(mean.mean - GoldenLoss(goldens)));
      // The bar is 1e-5.
      EXPECT_NEAR(mean.mean, GoldenLoss(goldens), 1e-6) << name;
    }
    // A sequence's alone, as transformers gives it.
    double sum = 0.0;
    for (size_t t = 18; t < 65; ++t) sum += first[t];
    EXPECT_NEAR(sum / 47, ToFloats(goldens.at("seq.2.loss"))[0], 1e-6) << name;
  }
}

TEST(MeanOfLossesTest, CountsWhatIsPredicted) {
  base::ThreadPool pool(1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const MeanLoss mean,
      MeanOfLosses({1.0f, 0.0f, 2.5f}, {4, base::kIgnoredLabel, 7}, pool));
  EXPECT_EQ(mean.num_predicted_tokens, 2);
  EXPECT_EQ(mean.mean, 1.75);  // (1 + 2.5) / 2
  EXPECT_THAT(
      MeanOfLosses({0.0f}, {base::kIgnoredLabel}, pool).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected at least one token that predicts a label")));
}

TEST(CheckLossesTest, NamesSequenceAndPosition) {
  text::TokenSequences sequences;
  sequences.Append({5, 6, 7}, {5, 6, 7});
  sequences.Append({9, 10}, {9, 10});
  std::vector<float> losses(5, 1.0f);
  MOE_EXPECT_OK(CheckLosses(sequences, losses));
  losses[4] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(CheckLosses(sequences, losses),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("loss of sequence 1, position 1: NaN")));
}

}  // namespace
}  // namespace moe::model
