#include "moe/model/walk/walk_plan.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::MoeFixturePath;
using ::moe::model::testing::WalkMachine;
using ::testing::AllOf;
using ::testing::HasSubstr;

text::TokenSequences SequencesOf(const std::vector<size_t>& lengths) {
  text::TokenSequences sequences;
  for (const size_t length : lengths) {
    const std::vector<int32_t> ids(length, 1);
    sequences.Append(ids, ids);
  }
  return sequences;
}

TEST(PlanWalkTest, TakesFewerTokensAtOnceWhereTheBudgetIsSmall) {
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath("llama_gqa_bf16")));
  const text::TokenSequences sequences =
      SequencesOf({500, 500, 1000, 24, 2000});
  WalkMachine unlimited;
  MOE_ASSERT_OK_AND_ASSIGN(const WalkPlan all,
                           PlanWalk(model, sequences, LayerPasses::kForward, {},
                                    unlimited.resources()));
  EXPECT_EQ(all.groups.size(), 1);
  const LayerWork half = {2048, 2000, 2, {}};
  const int64_t weights =
      PackedLayerBytes(model.checkpoint(), 0, LayerPasses::kForward) +
      2 * 384 * 128;
  WalkMachine machine(
      2, weights + LayerWorkBytes(model.config(), LayerPasses::kForward, half));
  MOE_ASSERT_OK_AND_ASSIGN(const WalkPlan plan,
                           PlanWalk(model, sequences, LayerPasses::kForward, {},
                                    machine.resources()));
  ASSERT_EQ(plan.groups.size(), 2);
  EXPECT_EQ(plan.groups[0].num_tokens(), 2024);
  EXPECT_FALSE(plan.weights.has_next_layer());
}

TEST(CheckSequencesTest, LooksAtIdsAndLabels) {
  MOE_ASSERT_OK_AND_ASSIGN(const DenseModel model,
                           DenseModel::Open(FixturePath("llama_gqa_bf16")));
  text::TokenSequences sequences;
  sequences.Append({1, 511}, {base::kIgnoredLabel, 511});
  MOE_EXPECT_OK(CheckSequences(model.config(), sequences));
  sequences.Append({1, 2}, {1, 512});
  EXPECT_THAT(
      CheckSequences(model.config(), sequences),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("sequence 1, position 1: label: expected 0 to 511, "
                         "the rows of the model's embedding, found 512")));
  text::TokenSequences foreign;
  foreign.Append({1, -1}, {1, 1});
  EXPECT_THAT(
      CheckSequences(model.config(), foreign),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("sequence 0, position 1: token id: expected 0 to 511, "
                         "the rows of the model's embedding, found -1")));
}

TEST(PlanWalkTest, NamesTheSequenceThatNeedsMore) {
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath("llama_gqa_bf16")));
  WalkMachine machine(2, 5 << 20);
  EXPECT_THAT(PlanWalk(model, SequencesOf({10, 4000}), LayerPasses::kForward,
                       {}, machine.resources())
                  .status(),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("a sequence of 4000 tokens"),
                             HasSubstr("--memory_budget="))));
  // Rotary position embeddings reach 2^20 positions and one more.
  EXPECT_THAT(
      PlanWalk(model, SequencesOf({10, (1 << 20) + 2}), LayerPasses::kForward,
               {}, machine.resources())
          .status(),
      StatusIs(absl::StatusCode::kResourceExhausted,
               AllOf(HasSubstr("sequence 1 of 1048578 tokens: sequence length"),
                     HasSubstr("expected at most 1048577 tokens"))));
}

TEST(LayerWorkBytesTest, GrowWithTokensThreadsAndPasses) {
  MOE_ASSERT_OK_AND_ASSIGN(const DenseModel model,
                           DenseModel::Open(FixturePath("llama_gqa_bf16")));
  const auto bytes = [&](LayerPasses passes, const LayerWork& work) {
    return LayerWorkBytes(model.config(), passes, work);
  };
  const LayerPasses forward = LayerPasses::kForward;
  // A token more: 3 hidden states, queries twice, keys and values four times,
  // two statistics of 8 heads.
  EXPECT_EQ(
      bytes(forward, {1001, 100, 1, {}}) - bytes(forward, {1000, 100, 1, {}}),
      4 * (3 * 128 + 2 * 128 + 4 * 64 + 2 * 8));
  // A thread more: scores of 128 queries against 256 keys, and outputs.
  EXPECT_EQ(
      bytes(forward, {1000, 100, 2, {}}) - bytes(forward, {1000, 100, 1, {}}),
      4 * (3 * 128 + 224) * 272);
  EXPECT_GT(bytes(LayerPasses::kForwardAndBackward, {1000, 100, 1, {}}),
            bytes(forward, {1000, 100, 1, {}}));
}

TEST(LayerWorkBytesTest, CountExperts) {
  const LayerPasses forward = LayerPasses::kForward;
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open(MoeFixturePath("biases")));
  const auto experts = [&](int64_t num_tokens) {
    const LayerWork work = {num_tokens, 100, 1, {}};
    return LayerWorkBytes(checkpoint.config(), forward, work) -
           LayerWorkBytes(checkpoint.moe_config()->decoder, forward, work);
  };
  // A token more: a residual of 32 features; 4 logits, and twice a row's
  // number, a weight and an index, the first two in vectors of twice the size.
  EXPECT_EQ(experts(1001) - experts(1000), 4 * (32 + 4 + 2 * (2 * 3 + 1)));
  // 512 rows of 32 features in and out, and 16 neurons' gates and ups.
  EXPECT_EQ(experts(1000) - 1000 * (experts(1001) - experts(1000)),
            4 * 512 * (2 * 32 + 2 * 16));
}

}  // namespace
}  // namespace moe::model
