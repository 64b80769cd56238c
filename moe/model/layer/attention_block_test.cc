#include "moe/model/layer/attention_block.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/rope.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/rotary_tables.h"
#include "moe/model/layer/testing/decoder_layer_reference.h"
#include "moe/model/layer/testing/drawn_layer.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::moe::model::testing::DrawnExperts;
using ::moe::model::testing::DrawnLayer;
using ::moe::model::testing::Offsets;
using ::moe::model::testing::Widen;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

using AttentionBlockTest = ::moe::kernels::testing::KernelTest;

constexpr int64_t kHidden = 20;
constexpr int64_t kHeadDim = 6;

std::vector<int64_t> Lengths() { return {9, 1, 4, 27}; }

// One expert a KV head, or two.
DrawnExperts Experts(int64_t num_experts, int64_t top_k, double scale) {
  DrawnExperts experts;
  experts.num_attention_experts = num_experts;
  experts.attention_routing = {top_k, scale};
  return experts;
}

TestMatrix Forward(const DecoderLayer& layer, const LayerBatch& batch,
                   base::ThreadPool& pool, const LayerTaps& taps = {}) {
  TestMatrix output(batch.hidden.rows, kHidden);
  MOE_EXPECT_OK(AttentionBlockForward(layer, batch, taps, output.view(), pool));
  return output;
}

void ExpectNear(const TestMatrix& got, const std::vector<double>& want,
                double tolerance) {
  const std::vector<float> values = got.Values();
  ASSERT_EQ(values.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(values[i], want[i], tolerance * (1 + std::fabs(want[i]))) << i;
  }
}

TEST_P(AttentionBlockTest, IsTheReference) {
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  for (const DrawnExperts& experts : {DrawnExperts(), Experts(2, 1, 1.0),
                                      Experts(4, 2, 4.0), Experts(4, 3, 0.7)}) {
    const DrawnLayer layer(pool(), {27}, experts);
    const reference::LayerOutput want = reference::DecoderLayerForward(
        layer.want, {offsets, Widen(x.Values()), {}});
    ExpectNear(Forward(layer.View(), {offsets, x.view()}, pool()),
               want.attention_output, 1e-5);
  }
}

TEST_P(AttentionBlockTest, BitsAreTheSameEverywhere) {
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  const DrawnLayer layer(pool(), {27}, Experts(4, 2, 4.0));
  // Computed on the first machine: pins the bits everywhere.
  const TestMatrix out = Forward(layer.View(), {offsets, x.view()}, pool());
  EXPECT_EQ(Digest<float>(out.Values()), "6987c9cdadde435a");
}

INSTANTIATE_TEST_SUITE_P(All, AttentionBlockTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// Which sequences there are beside a sequence, what follows a token, and how
// many rows of an expert are taken at once, changes nothing.
TEST(AttentionBlockBitsTest, ASequenceIsByItself) {
  base::ThreadPool pool(2);
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  const DrawnLayer layer(pool, {41}, Experts(4, 2, 4.0));
  const TestMatrix want = Forward(layer.View(), {offsets, x.view()}, pool);
  for (const int64_t rows : {1, 3, 1000}) {
    LayerBlocks blocks;
    blocks.query_rows = rows;
    blocks.expert_rows = rows;
    EXPECT_TRUE(BitsEqual(
        Forward(layer.View(blocks), {offsets, x.view()}, pool), want));
  }
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    for (int64_t end = offsets[s] + 1; end <= offsets[s + 1]; ++end) {
      const std::vector<int64_t> alone = {0, end - offsets[s]};
      const TestMatrix got =
          Forward(layer.View(), {alone, x.view().Rows(offsets[s], end)}, pool);
      for (int64_t t = 0; t < alone[1]; ++t) {
        ASSERT_EQ(got.view().Row(t), want.view().Row(offsets[s] + t));
      }
    }
  }
}

// The matrices of a dense attention: 4 heads, 2 KV heads.
struct DenseAttention {
  TestMatrix query = DrawnLayer::Draw("query", 4 * kHeadDim, kHidden);
  TestMatrix key = DrawnLayer::Draw("key", 2 * kHeadDim, kHidden);
  TestMatrix value = DrawnLayer::Draw("value", 2 * kHeadDim, kHidden);
  TestMatrix output = DrawnLayer::Draw("output", kHidden, 4 * kHeadDim);
};

Linear Pack(base::MatrixView<const float> weight, base::ThreadPool& pool) {
  return PackLinear(kernels::WeightView(weight), {}, LayerPasses::kForward,
                    pool);
}

// Query heads [begin, end) with KV heads [kv_begin, kv_end).
AttentionWeights HeadsOf(const DenseAttention& dense, int64_t begin,
                         int64_t end, int64_t kv_begin, int64_t kv_end,
                         base::ThreadPool& pool) {
  AttentionWeights weights;
  weights.query =
      Pack(dense.query.view().Rows(begin * kHeadDim, end * kHeadDim), pool);
  weights.key =
      Pack(dense.key.view().Rows(kv_begin * kHeadDim, kv_end * kHeadDim), pool);
  weights.value = Pack(
      dense.value.view().Rows(kv_begin * kHeadDim, kv_end * kHeadDim), pool);
  const base::MatrixView<const float> output = dense.output.view();
  weights.output = Pack(
      base::MatrixView<const float>(output.data + begin * kHeadDim, output.rows,
                                    (end - begin) * kHeadDim, output.stride),
      pool);
  return weights;
}

// A router of zeros gives every expert the same weight, 1 with this scale.
TEST(AttentionBlockIdentityTest, AllExpertsOfEqualWeightsAreDenseAttention) {
  base::ThreadPool pool(2);
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  DrawnLayer layer(pool, {27});
  const DenseAttention dense;
  layer.weights.attention = HeadsOf(dense, 0, 4, 0, 2, pool);
  const TestMatrix want = Forward(layer.View(), {offsets, x.view()}, pool);
  for (const int64_t num_experts : {2, 4}) {
    const int64_t heads = 4 / num_experts;
    ExpertWeights<AttentionWeights>& experts = layer.weights.attention_experts;
    experts.router = Pack(TestMatrix(num_experts, kHidden).view(), pool);
    experts.experts.clear();
    for (int64_t e = 0; e < num_experts; ++e) {
      const int64_t kv_head = e * 2 / num_experts;
      experts.experts.push_back(HeadsOf(dense, e * heads, (e + 1) * heads,
                                        kv_head, kv_head + 1, pool));
    }
    layer.experts.attention_routing = {num_experts,
                                       static_cast<double>(num_experts)};
    ExpectNear(Forward(layer.View(), {offsets, x.view()}, pool),
               Widen(want.Values()), 1e-5);
  }
}

TEST(AttentionTokensTest, StandWhereTheyStood) {
  const std::vector<int64_t> offsets = {0, 2, 2, 7, 9};
  const AttentionTokens all = AllTokens(offsets);
  EXPECT_EQ(all.offsets, offsets);
  EXPECT_THAT(all.positions, ElementsAre(0, 1, 0, 1, 2, 3, 4, 0, 1));
  const AttentionTokens chosen = ChosenTokens(offsets, {0, 2, 5, 6});
  EXPECT_THAT(chosen.offsets, ElementsAre(0, 1, 1, 4, 4));
  EXPECT_THAT(chosen.positions, ElementsAre(0, 0, 3, 4));
  const AttentionTokens none = ChosenTokens(offsets, {});
  EXPECT_THAT(none.offsets, ElementsAre(0, 0, 0, 0, 0));
}

TEST(RotateTokensTest, TurnsByThePosition) {
  base::ThreadPool pool(1);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = {0, 2, 9};
  TestMatrix all = DrawnLayer::Draw("all", 9, 2 * kHeadDim);
  TestMatrix chosen(2, 2 * kHeadDim);
  for (int64_t i = 0; i < 2 * kHeadDim; ++i) {
    chosen.view().RowData(0)[i] = all.view().RowData(1)[i];
    chosen.view().RowData(1)[i] = all.view().RowData(7)[i];
  }
  RotateTokens(layer.View(), offsets, AllTokens(offsets),
               kernels::RopeDirection::kForward, all.view(), pool);
  RotateTokens(layer.View(), offsets, ChosenTokens(offsets, {1, 7}),
               kernels::RopeDirection::kForward, chosen.view(), pool);
  EXPECT_EQ(chosen.view().Row(0), all.view().Row(1));
  EXPECT_EQ(chosen.view().Row(1), all.view().Row(7));
}

// Dynamic scaling has a table for each length: that of the sequence counts, not
// the number of its tokens that chose an expert.
TEST(RotateTokensTest, TakesTheTableOfTheWholeSequence) {
  base::ThreadPool pool(1);
  DrawnLayer layer(pool, {9});
  layer.config.rope.type = checkpoint::RopeType::kDynamic;
  layer.config.max_position_embeddings = 3;
  layer.rotary = RotaryTables::Create(layer.config, {2, 7}, pool).value();
  const std::vector<int64_t> offsets = {0, 2, 9};
  TestMatrix all = DrawnLayer::Draw("all", 9, 2 * kHeadDim);
  TestMatrix chosen(1, 2 * kHeadDim);
  std::copy_n(all.view().RowData(7), 2 * kHeadDim, chosen.view().RowData(0));
  RotateTokens(layer.View(), offsets, AllTokens(offsets),
               kernels::RopeDirection::kForward, all.view(), pool);
  RotateTokens(layer.View(), offsets, ChosenTokens(offsets, {7}),
               kernels::RopeDirection::kForward, chosen.view(), pool);
  EXPECT_EQ(chosen.view().Row(0), all.view().Row(7));
}

TEST(AttentionBlockErrorsTest, NameTheExpertAndTheToken) {
  base::ThreadPool pool(2);
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  DrawnLayer layer(pool, {27}, Experts(4, 2, 4.0));
  TestMatrix output(41, kHidden);
  const auto forward = [&] {
    return AttentionBlockForward(layer.View(), {offsets, x.view()}, {},
                                 output.view(), pool);
  };
  layer.weights.attention_experts.experts[3].value.bias[5] =
      std::numeric_limits<float>::infinity();
  EXPECT_THAT(forward(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("values of attention expert 3 of "
                                            "sequence ")));
  layer.weights.attention_experts.experts[3].key.bias[5] = 3e38f;
  layer.weights.attention_experts.experts[3].query.bias[5] =
      std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(forward(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("queries of attention expert 3")));
  TestMatrix router = DrawnLayer::Draw("router", 4, kHidden);
  for (float& value : router.view().Row(1)) value = 3e38f;
  layer.weights.attention_experts.router = Pack(router.view(), pool);
  EXPECT_THAT(forward(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("attention router logits of sequence 0")));
}

}  // namespace
}  // namespace moe::model
