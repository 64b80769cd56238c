#include "moe/model/walk/layer_weight_stream.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/memory_budget.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/testing/walk_fixture.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::FixturePath;
using ::testing::HasSubstr;

// The norms tell layers apart.
std::vector<std::vector<float>> NormsOfStream(DenseModel& model,
                                              LayerOrder order,
                                              const LayerWeightMemory& memory) {
  base::ThreadPool pool(2);
  LayerWeightStream stream(model, LayerPasses::kForward, order, memory, pool);
  std::vector<std::vector<float>> norms;
  for (int64_t i = 0; i < model.config().num_hidden_layers; ++i) {
    absl::StatusOr<const DecoderLayerWeights*> weights = stream.Next();
    MOE_EXPECT_OK(weights.status());
    norms.push_back((*weights)->input_norm);
  }
  return norms;
}

TEST(LayerWeightStreamTest, GivesEveryLayerInOrder) {
  base::ThreadPool pool(1);
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath("llama_gqa_bf16")));
  std::vector<std::vector<float>> want;
  for (int64_t layer = 0; layer < 4; ++layer) {
    want.push_back(ReadDecoderLayerWeights(model.checkpoint(), layer,
                                           LayerPasses::kForward, pool)
                       .value()
                       .input_norm);
  }
  const std::vector<std::vector<float>> backward(want.rbegin(), want.rend());
  // Layer by layer, alone and with the next one; then kept by the model.
  base::MemoryBudget budget;
  for (const bool has_next_layer : {false, true}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        LayerWeightMemory memory,
        LayerWeightMemory::Reserve(model, LayerPasses::kForward, budget));
    if (has_next_layer) memory.AddNextLayer(budget);
    EXPECT_EQ(memory.has_next_layer(), has_next_layer);
    EXPECT_EQ(NormsOfStream(model, LayerOrder::kFirstToLast, memory), want);
    EXPECT_EQ(NormsOfStream(model, LayerOrder::kLastToFirst, memory), backward);
  }
  ASSERT_TRUE(model.Keep(LayerPasses::kForward, budget));
  const int64_t kept_bytes = budget.reserved_bytes();
  MOE_ASSERT_OK_AND_ASSIGN(
      LayerWeightMemory none,
      LayerWeightMemory::Reserve(model, LayerPasses::kForward, budget));
  none.AddNextLayer(budget);
  EXPECT_EQ(budget.reserved_bytes(), kept_bytes);
  EXPECT_EQ(NormsOfStream(model, LayerOrder::kLastToFirst, none), backward);
}

TEST(LayerWeightStreamTest, TakesWhatTheBudgetHas) {
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open(FixturePath("llama_gqa_bf16")));
  const int64_t layer =
      PackedLayerBytes(model.checkpoint(), 0, LayerPasses::kForward);
  const int64_t stored = StoredLayerBytes(model.checkpoint(), 0);
  const int64_t largest = LargestLayerTensorBytes(model.checkpoint(), 0);
  base::MemoryBudget too_small(layer + largest - 1);
  EXPECT_THAT(
      LayerWeightMemory::Reserve(model, LayerPasses::kForward, too_small)
          .status(),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr("the weights of one decoder layer")));
  base::MemoryBudget one_layer(layer + stored - 1);
  MOE_ASSERT_OK_AND_ASSIGN(
      LayerWeightMemory alone,
      LayerWeightMemory::Reserve(model, LayerPasses::kForward, one_layer));
  alone.AddNextLayer(one_layer);
  EXPECT_FALSE(alone.has_next_layer());
  base::MemoryBudget two(layer + stored);
  MOE_ASSERT_OK_AND_ASSIGN(
      LayerWeightMemory with_next,
      LayerWeightMemory::Reserve(model, LayerPasses::kForward, two));
  with_next.AddNextLayer(two);
  EXPECT_TRUE(with_next.has_next_layer());
}

TEST(LayerWeightStreamTest, AnErrorOfTheReadingThreadIsTheCallers) {
  base::ThreadPool pool(1);
  base::MemoryBudget budget;
  MOE_ASSERT_OK_AND_ASSIGN(DenseModel model,
                           DenseModel::Open("testdata/malformed/value_nan"));
  MOE_ASSERT_OK_AND_ASSIGN(
      LayerWeightMemory memory,
      LayerWeightMemory::Reserve(model, LayerPasses::kForward, budget));
  memory.AddNextLayer(budget);
  LayerWeightStream stream(model, LayerPasses::kForward,
                           LayerOrder::kFirstToLast, memory, pool);
  EXPECT_THAT(stream.Next().status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("NaN or infinity")));
}

}  // namespace
}  // namespace moe::model
