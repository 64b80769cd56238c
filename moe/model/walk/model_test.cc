#include "moe/model/walk/model.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/memory_budget.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/testing/walk_fixture.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::MoeFixturePath;
using ::testing::HasSubstr;

TEST(ModelTest, KeepsAllOrNothing) {
  MOE_ASSERT_OK_AND_ASSIGN(Model model,
                           Model::Open(FixturePath("llama_gqa_bf16")));
  const int64_t layer =
      PackedLayerBytes(model.checkpoint(), 0, LayerPasses::kForward);
  // Four layers, the output embedding, and it once more as it is stored.
  const int64_t all = 4 * layer + 512 * 128 * (4 + 2);
  EXPECT_EQ(model.PackedOutputBytes(LayerPasses::kForward), 512 * 128 * 4);
  base::MemoryBudget too_small(all - 1);
  EXPECT_FALSE(model.Keep(LayerPasses::kForward, too_small));
  EXPECT_FALSE(model.keeps(LayerPasses::kForward));
  EXPECT_EQ(too_small.reserved_bytes(), 0);
  base::MemoryBudget enough(all);
  EXPECT_TRUE(model.Keep(LayerPasses::kForward, enough));
  EXPECT_TRUE(model.keeps(LayerPasses::kForward));
  EXPECT_FALSE(model.keeps(LayerPasses::kForwardAndBackward));
  EXPECT_EQ(enough.reserved_bytes(), all);
  // There is no room for both: what is kept stays, until it is given up.
  EXPECT_FALSE(model.Keep(LayerPasses::kForwardAndBackward, enough));
  EXPECT_TRUE(model.keeps(LayerPasses::kForward));
  EXPECT_EQ(enough.reserved_bytes(), all);
  model.Forget();
  EXPECT_FALSE(model.keeps(LayerPasses::kForward));
  EXPECT_EQ(enough.reserved_bytes(), 0);
}

TEST(ModelTest, ReadsALayerOnce) {
  base::ThreadPool pool(1);
  base::MemoryBudget budget;
  MOE_ASSERT_OK_AND_ASSIGN(Model model,
                           Model::Open(FixturePath("llama_mha_f32_sharded")));
  ASSERT_TRUE(model.Keep(LayerPasses::kForwardAndBackward, budget));
  EXPECT_TRUE(model.keeps(LayerPasses::kForward));
  MOE_ASSERT_OK_AND_ASSIGN(const DecoderLayerWeights* const weights,
                           model.KeptLayer(2, pool));
  EXPECT_EQ(weights->size_bytes(),
            PackedLayerBytes(model.checkpoint(), 0,
                             LayerPasses::kForwardAndBackward));
  MOE_ASSERT_OK_AND_ASSIGN(const DecoderLayerWeights* const again,
                           model.KeptLayer(2, pool));
  EXPECT_EQ(weights, again);
  MOE_ASSERT_OK_AND_ASSIGN(const Linear* const output, model.KeptOutput(pool));
  EXPECT_EQ(output->size_bytes(),
            model.PackedOutputBytes(LayerPasses::kForwardAndBackward));
}

TEST(ModelTest, OutputEmbeddingMayBeTheInputs) {
  MOE_ASSERT_OK_AND_ASSIGN(const Model tied,
                           Model::Open(FixturePath("llama_mha_f32_sharded")));
  EXPECT_EQ(tied.OutputEmbedding().kind, checkpoint::TensorKind::kEmbedding);
  MOE_ASSERT_OK_AND_ASSIGN(const Model untied,
                           Model::Open(FixturePath("llama_gqa_bf16")));
  EXPECT_EQ(untied.OutputEmbedding().kind, checkpoint::TensorKind::kLmHead);
}

// Contract layers take other memory than those with experts.
TEST(ModelTest, KeepsExpertsToo) {
  MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath("aligned")));
  ASSERT_NE(model.moe_config(), nullptr);
  EXPECT_EQ(model.config().intermediate_size, 64);
  int64_t packed = 0;
  for (int64_t layer = 0; layer < 4; ++layer) {
    packed +=
        PackedLayerBytes(model.checkpoint(), layer, LayerPasses::kForward);
  }
  // The output embedding, and the largest tensor as it is stored, a contract
  // layer's [64, 32] or the embedding itself.
  const int64_t all = packed + 2 * 64 * 32 * 4;
  base::MemoryBudget too_small(all - 1), enough(all);
  EXPECT_FALSE(model.Keep(LayerPasses::kForward, too_small));
  ASSERT_TRUE(model.Keep(LayerPasses::kForward, enough));
  base::ThreadPool pool(1);
  for (int64_t layer = 0; layer < 4; ++layer) {
    MOE_ASSERT_OK_AND_ASSIGN(const DecoderLayerWeights* const weights,
                             model.KeptLayer(layer, pool));
    EXPECT_EQ(weights->mlp_experts.empty(), layer == 0 || layer == 3);
    packed -= weights->size_bytes();
  }
  EXPECT_EQ(packed, 0);
}

TEST(ModelTest, NeedsACheckpoint) {
  EXPECT_THAT(
      Model::Open("testdata/nowhere").status(),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("testdata/nowhere")));
}

}  // namespace
}  // namespace moe::model
