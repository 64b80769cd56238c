#include "moe/model/layer/mlp_block.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/decoder_layer.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
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
using ::testing::HasSubstr;
using ::testing::ValuesIn;

using MlpBlockTest = ::moe::kernels::testing::KernelTest;

constexpr int64_t kHidden = 20;

std::vector<int64_t> Lengths() { return {9, 1, 4, 27}; }

DrawnExperts Vanilla() {
  DrawnExperts experts;
  experts.num_experts = 5;
  experts.mlp_routing = {.top_k = 2, .scale = 4.0};
  return experts;
}

DrawnExperts Residual() {
  DrawnExperts experts;
  experts.num_experts = 3;
  experts.has_residual = true;
  return experts;
}

Linear Pack(base::MatrixView<const float> weight, base::ThreadPool& pool) {
  return PackLinear(kernels::WeightView(weight), {}, LayerPasses::kForward,
                    pool);
}

// With 36 neurons.
struct DenseMlp {
  TestMatrix gate = DrawnLayer::Draw("gate", 36, kHidden);
  TestMatrix up = DrawnLayer::Draw("up", 36, kHidden);
  TestMatrix down = DrawnLayer::Draw("down", kHidden, 36);
};

struct Outputs {
  explicit Outputs(int64_t rows, bool has_residual)
      : output(rows, kHidden), residual(has_residual ? rows : 0, kHidden) {}
  BlockOutput view() { return {output.view(), residual.view()}; }

  TestMatrix output, residual;
};

Outputs Forward(const DecoderLayer& layer, const LayerBatch& batch,
                base::ThreadPool& pool, const LayerTaps& taps = {}) {
  Outputs out(batch.hidden.rows, layer.weights->has_residual());
  MOE_EXPECT_OK(MlpBlockForward(layer, batch, taps, out.view(), pool));
  return out;
}

void ExpectNear(const TestMatrix& got, const std::vector<double>& want,
                double tolerance) {
  const std::vector<float> values = got.Values();
  ASSERT_EQ(values.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(values[i], want[i], tolerance * (1 + std::fabs(want[i]))) << i;
  }
}

// With attention's output taken to zero, a layer's MLP sees the hidden state.
reference::LayerOutput ReferenceOfMlp(reference::DecoderLayer layer,
                                      const std::vector<int64_t>& offsets,
                                      const TestMatrix& x) {
  reference::Linear& output = layer.attention.output;
  std::fill(output.weight.begin(), output.weight.end(), 0.0);
  std::fill(output.bias.begin(), output.bias.end(), 0.0);
  return reference::DecoderLayerForward(layer,
                                        {offsets, Widen(x.Values()), {}});
}

TEST_P(MlpBlockTest, IsTheReference) {
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  for (const DrawnExperts& experts : {DrawnExperts(), Vanilla(), Residual()}) {
    const DrawnLayer layer(pool(), {27}, experts);
    const Outputs out = Forward(layer.View(), {offsets, x.view()}, pool());
    const reference::LayerOutput want = ReferenceOfMlp(layer.want, offsets, x);
    ExpectNear(out.output, want.mlp_output, 2e-5);
    ExpectNear(out.residual, want.residual, 2e-5);
  }
}

TEST_P(MlpBlockTest, BitsAreTheSameEverywhere) {
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  const DrawnLayer layer(pool(), {27}, Vanilla());
  // Computed on the first machine: pins the bits everywhere.
  const Outputs out = Forward(layer.View(), {offsets, x.view()}, pool());
  EXPECT_EQ(Digest<float>(out.output.Values()), "82972699adf27b51");
}

INSTANTIATE_TEST_SUITE_P(All, MlpBlockTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// Which tokens there are beside a token, and how many rows of an expert are
// taken at once, changes nothing.
TEST(MlpBlockBitsTest, ATokenIsByItself) {
  base::ThreadPool pool(2);
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  const std::vector<int64_t> all = {0, 41}, one = {0, 1};
  const DrawnLayer layer(pool, {41}, Residual());
  Outputs want = Forward(layer.View(), {all, x.view()}, pool);
  for (const int64_t rows : {1, 3, 1000}) {
    LayerBlocks blocks;
    blocks.mlp_rows = rows;
    blocks.expert_rows = rows;
    const Outputs got = Forward(layer.View(blocks), {all, x.view()}, pool);
    EXPECT_TRUE(BitsEqual(got.output, want.output));
    EXPECT_TRUE(BitsEqual(got.residual, want.residual));
  }
  for (int64_t t = 0; t < 41; ++t) {
    Outputs got = Forward(layer.View(), {one, x.view().Rows(t, t + 1)}, pool);
    EXPECT_EQ(got.output.view().Row(0), want.output.view().Row(t));
    EXPECT_EQ(got.residual.view().Row(0), want.residual.view().Row(t));
  }
}

// What the block multiplies with down is MlpActivation of the same rows.
TEST(MlpActivationTest, IsThatOfTheBlock) {
  base::ThreadPool pool(2);
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  const std::vector<int64_t> offsets = {0, 41};
  const DrawnLayer layer(pool, {41}, Residual());
  const DecoderLayerWeights& weights = layer.weights;
  TestMatrix input(41, kHidden);
  LayerTaps taps;
  taps.mlp_input = [&](base::MatrixView<const float> m) {
    for (int64_t t = 0; t < m.rows; ++t) {
      std::copy_n(m.RowData(t), kHidden, input.view().RowData(t));
    }
    return absl::OkStatus();
  };
  taps.features = [&](const BlockFeatures& part) {
    const bool is_routed = part.expert >= 0;
    const MlpWeights& mlp =
        is_routed
            ? weights.mlp_experts.experts[static_cast<size_t>(part.expert)]
            : weights.mlp;
    ActivationBuffers buffers(mlp, 41);
    const base::MatrixView<float> all =
        MlpActivation(mlp, input.view(), buffers, pool);
    for (int64_t i = 0; i < part.features.rows; ++i) {
      const int64_t row =
          is_routed ? part.rows[static_cast<size_t>(i)] : part.first_row + i;
      EXPECT_TRUE(BitsEqual<float>(all.Row(row), part.features.Row(i)));
    }
    return absl::OkStatus();
  };
  Forward(layer.View(), {offsets, x.view()}, pool, taps);
}

// Neurons [begin, end) of an MLP.
MlpWeights NeuronsOf(const DenseMlp& dense, int64_t begin, int64_t end,
                     base::ThreadPool& pool) {
  MlpWeights weights;
  weights.gate = Pack(dense.gate.view().Rows(begin, end), pool);
  weights.up = Pack(dense.up.view().Rows(begin, end), pool);
  const base::MatrixView<const float> down = dense.down.view();
  weights.down =
      Pack(base::MatrixView<const float>(down.data + begin, down.rows,
                                         end - begin, down.stride),
           pool);
  return weights;
}

// Four experts that have the neurons of a dense MLP, and its router.
void SplitInFour(const DenseMlp& dense, const TestMatrix& router,
                 base::ThreadPool& pool, DecoderLayerWeights& weights) {
  weights.mlp = {};
  weights.mlp_experts.router = Pack(router.view(), pool);
  weights.mlp_experts.experts.clear();
  for (int64_t e = 0; e < 4; ++e) {
    weights.mlp_experts.experts.push_back(
        NeuronsOf(dense, 9 * e, 9 * (e + 1), pool));
  }
}

TEST(MlpBlockIdentityTest, AllExpertsOfEqualWeightsAreTheDenseMlp) {
  base::ThreadPool pool(2);
  const std::vector<int64_t> offsets = {0, 41};
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  DrawnLayer layer(pool, {41});
  const DenseMlp dense;
  layer.weights.mlp = NeuronsOf(dense, 0, 36, pool);
  const Outputs want = Forward(layer.View(), {offsets, x.view()}, pool);
  // A router of zeros: every probability is 1/4.
  SplitInFour(dense, TestMatrix(4, kHidden), pool, layer.weights);
  layer.experts.mlp_routing = {.top_k = 4, .scale = 4.0};
  const Outputs got = Forward(layer.View(), {offsets, x.view()}, pool);
  ExpectNear(got.output, Widen(want.output.Values()), 1e-5);
}

// With top_k = E the weights are the softmax itself: the sum over experts of
// p_e mlp_e(m), each expert by itself as a dense MLP.
TEST(MlpBlockIdentityTest, AllExpertsAreWeighedByTheSoftmax) {
  base::ThreadPool pool(2);
  const std::vector<int64_t> offsets = {0, 41};
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  const TestMatrix router = DrawnLayer::Draw("the router", 4, kHidden);
  DrawnLayer layer(pool, {41});
  const DenseMlp dense;
  TestMatrix norm(41, kHidden);
  LayerTaps taps;
  taps.mlp_input = [&](base::MatrixView<const float> m) {
    for (int64_t t = 0; t < 41; ++t) {
      std::copy_n(m.RowData(t), kHidden, norm.view().RowData(t));
    }
    return absl::OkStatus();
  };
  std::vector<double> want(41 * kHidden, 0.0);
  for (size_t e = 0; e < 4; ++e) {
    const auto first = static_cast<int64_t>(9 * e);
    layer.weights.mlp = NeuronsOf(dense, first, first + 9, pool);
    const Outputs alone =
        Forward(layer.View(), {offsets, x.view()}, pool, taps);
    for (int64_t t = 0; t < 41; ++t) {
      const auto m = norm.view().Row(t);
      const double p = reference::Route({Widen(router.Values()), {}}, 4, 1.0,
                                        {m.begin(), m.end()})
                           .at(e);
      for (int64_t i = 0; i < kHidden; ++i) {
        want[static_cast<size_t>(t * kHidden + i)] +=
            p * alone.output.view().RowData(t)[i];
      }
    }
  }
  SplitInFour(dense, router, pool, layer.weights);
  layer.experts.mlp_routing = {.top_k = 4, .scale = 1.0};
  const Outputs got = Forward(layer.View(), {offsets, x.view()}, pool);
  ExpectNear(got.output, want, 1e-5);
}

TEST(MlpBlockTapsTest, SeeWhoGoesWhere) {
  base::ThreadPool pool(1);
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  const DrawnLayer layer(pool, {27}, Vanilla());
  int64_t num_choices = 0;
  LayerTaps taps;
  taps.routing = [&](DecoderBlock block,
                     const std::vector<ExpertTokens>& experts) {
    EXPECT_EQ(block, DecoderBlock::kMlp);
    EXPECT_EQ(experts.size(), 5);
    for (const ExpertTokens& expert : experts) {
      num_choices += static_cast<int64_t>(expert.rows.size());
    }
    return absl::OkStatus();
  };
  Forward(layer.View(), {offsets, x.view()}, pool, taps);
  EXPECT_EQ(num_choices, 2 * 41);
  taps.routing = [](DecoderBlock, const std::vector<ExpertTokens>&) {
    return absl::DataLossError("the tap's");
  };
  Outputs out(41, false);
  EXPECT_THAT(MlpBlockForward(layer.View(), {offsets, x.view()}, taps,
                              out.view(), pool),
              StatusIs(absl::StatusCode::kDataLoss, "the tap's"));
}

TEST(MlpBlockErrorsTest, NameTheExpertAndTheToken) {
  base::ThreadPool pool(2);
  const std::vector<int64_t> offsets = Offsets(Lengths());
  const TestMatrix x = DrawnLayer::Draw("x", 41, kHidden);
  DrawnLayer layer(pool, {27}, Residual());
  Outputs out(41, true);
  const auto forward = [&] {
    return MlpBlockForward(layer.View(), {offsets, x.view()}, {}, out.view(),
                           pool);
  };
  layer.weights.mlp.up.bias[36] = 3e38f;
  layer.weights.mlp.gate.bias[36] = 3e38f;
  EXPECT_THAT(forward(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("MLP activation of the residual expert of "
                                 "sequence 0, position 0, feature 36 of 37")));
  MlpWeights& expert = layer.weights.mlp_experts.experts[2];
  expert.up.bias[10] = 3e38f;
  expert.gate.bias[10] = 3e38f;
  EXPECT_THAT(forward(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("MLP activation of expert 2 of sequence")));
  TestMatrix router = DrawnLayer::Draw("router", 3, kHidden);
  for (float& value : router.view().Row(1)) value = 3e38f;
  layer.weights.mlp_experts.router = Pack(router.view(), pool);
  EXPECT_THAT(forward(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("router logits of sequence 0")));
}

}  // namespace
}  // namespace moe::model
