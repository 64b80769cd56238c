#include "moe/model/layer/decoder_layer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/rotary_tables.h"
#include "moe/model/layer/testing/decoder_layer_reference.h"
#include "moe/model/layer/testing/drawn_layer.h"
#include "moe/model/layer/testing/layer_forward.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::moe::model::testing::DrawnLayer;
using ::moe::model::testing::ForwardLayer;
using ::moe::model::testing::Offsets;
using ::moe::model::testing::Widen;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

using DecoderLayerTest = ::moe::kernels::testing::KernelTest;

// Everything that both passes give.
struct Results {
  explicit Results(int64_t rows)
      : attention_output(rows, 20),
        mlp_input(rows, 20),
        activation(rows, 37),
        mlp_output(rows, 20),
        y(rows, 20),
        dx(rows, 20),
        d_activation(rows, 37) {}

  std::vector<float> All() const {
    std::vector<float> all;
    for (const TestMatrix* part : {&attention_output, &mlp_input, &activation,
                                   &mlp_output, &y, &dx, &d_activation}) {
      const std::vector<float> values = part->Values();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  TestMatrix attention_output, mlp_input, activation, mlp_output, y, dx,
      d_activation;
};

void Copy(base::MatrixView<const float> from, base::MatrixView<float> to) {
  for (int64_t r = 0; r < from.rows; ++r) {
    for (int64_t c = 0; c < from.cols; ++c)
      to.RowData(r)[c] = from.RowData(r)[c];
  }
}

auto CopyTo(TestMatrix& out) {
  return [&out](base::MatrixView<const float> x) {
    Copy(x, out.view());
    return absl::OkStatus();
  };
}

Results RunBoth(const DecoderLayer& layer, const LayerBatch& batch,
                base::MatrixView<const float> dy, base::ThreadPool& pool) {
  Results out(batch.hidden.rows);
  LayerTaps taps;
  taps.attention_output = CopyTo(out.attention_output);
  taps.mlp_input = CopyTo(out.mlp_input);
  taps.mlp_output = CopyTo(out.mlp_output);
  SavedAttention saved;
  taps.saved_attention = &saved;
  MOE_EXPECT_OK(ForwardLayer(layer, batch, taps, out.y.view(), pool));
  EXPECT_EQ(saved.size_bytes(),
            SavedAttention::SizeBytes(LayerAttentionShape(*layer.config),
                                      batch.hidden.rows));
  LayerGradients gradients;
  gradients.dy = dy;
  gradients.dx = out.dx.view();
  gradients.tap = [&](const MlpRows& rows, base::MatrixView<const float> da) {
    const int64_t begin = rows.first_row, end = begin + da.rows;
    EXPECT_EQ(rows.input.rows, da.rows);
    Copy(rows.activation, out.activation.view().Rows(begin, end));
    Copy(da, out.d_activation.view().Rows(begin, end));
    return absl::OkStatus();
  };
  MOE_EXPECT_OK(DecoderLayerBackward(layer, batch, gradients, pool));
  // Attention that was kept gives what attention that is computed again gives.
  const TestMatrix dx = out.dx, d_activation = out.d_activation;
  gradients.saved_attention = &saved;
  MOE_EXPECT_OK(DecoderLayerBackward(layer, batch, gradients, pool));
  EXPECT_TRUE(BitsEqual(out.dx, dx));
  EXPECT_TRUE(BitsEqual(out.d_activation, d_activation));
  // The backward's activation is what the forward put out from.
  TestMatrix mlp_output(batch.hidden.rows, 20);
  ApplyLinear(layer.weights->mlp.down, out.activation.view(), mlp_output.view(),
              pool);
  EXPECT_TRUE(BitsEqual(out.mlp_output, mlp_output));
  return out;
}

const std::vector<int64_t>& Lengths() {
  static const auto& lengths = *new std::vector<int64_t>{1, 9, 0, 5, 2};
  return lengths;
}

TEST_P(DecoderLayerTest, GoldenForAllBlocks) {
  const DrawnLayer layer(pool(), {9});
  const std::vector<int64_t> offsets = Offsets(Lengths());
  TestMatrix x = DrawnLayer::Draw("x", 17, 20);
  TestMatrix dy = DrawnLayer::Draw("dy", 17, 20);
  // Computed on the first machine: pins the bits everywhere.
  for (const LayerBlocks& blocks :
       {LayerBlocks(), LayerBlocks{1, 1}, LayerBlocks{4, 7}}) {
    EXPECT_EQ(Digest<float>(RunBoth(layer.View(blocks), {offsets, x.view()},
                                    dy.view(), pool())
                                .All()),
              "604b88146aab7a39");
  }
}

INSTANTIATE_TEST_SUITE_P(All, DecoderLayerTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

void ExpectNear(const TestMatrix& got, const std::vector<double>& want,
                double tolerance) {
  const std::vector<float> values = got.Values();
  ASSERT_EQ(values.size(), want.size());
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], want[i], tolerance * (1 + std::fabs(want[i]))) << i;
  }
}

TEST(DecoderLayerMathTest, ForwardIsTheFormula) {
  base::ThreadPool pool(2);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = Offsets(Lengths());
  TestMatrix x = DrawnLayer::Draw("x", 17, 20);
  const Results got =
      RunBoth(layer.View(), {offsets, x.view()}, x.view(), pool);
  const reference::LayerOutput want = reference::DecoderLayerForward(
      layer.want, {offsets, Widen(x.Values()), {}});
  // Numbers of about 1 to 10, through chains of at most 37 products.
  ExpectNear(got.attention_output, want.attention_output, 3e-6);
  ExpectNear(got.mlp_input, want.mlp_input, 3e-6);
  ExpectNear(got.activation, want.activation, 1e-5);
  ExpectNear(got.mlp_output, want.mlp_output, 1e-5);
  ExpectNear(got.y, want.y, 1e-5);
}

// d(sum y * dy) / d(each element of `moved`).
std::vector<double> Slopes(const DrawnLayer& layer,
                           reference::LayerInput& input,
                           std::vector<double>& moved,
                           const std::vector<float>& dy) {
  constexpr double kStep = 1e-5;
  const auto objective = [&] {
    const std::vector<double> y =
        reference::DecoderLayerForward(layer.want, input).y;
    double sum = 0.0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  std::vector<double> slopes;
  for (double& value : moved) {
    const double before = value;
    value = before + kStep;
    const double above = objective();
    value = before - kStep;
    slopes.push_back((above - objective()) / (2 * kStep));
    value = before;
  }
  return slopes;
}

TEST(DecoderLayerMathTest, BackwardIsTheDerivative) {
  base::ThreadPool pool(2);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = Offsets({1, 7, 4});
  TestMatrix x = DrawnLayer::Draw("x", 12, 20);
  TestMatrix dy = DrawnLayer::Draw("dy", 12, 20);
  const Results got =
      RunBoth(layer.View(), {offsets, x.view()}, dy.view(), pool);
  reference::LayerInput input = {offsets, Widen(x.Values()),
                                 std::vector<double>(12 * 37, 0.0)};
  ExpectNear(got.dx, Slopes(layer, input, input.hidden, dy.Values()), 3e-5);
  ExpectNear(got.d_activation,
             Slopes(layer, input, input.activation_offset, dy.Values()), 3e-6);
}

TEST(DecoderLayerBitsTest, ASequenceAloneHasTheBitsOfTheBatch) {
  base::ThreadPool pool(2);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = Offsets(Lengths());
  TestMatrix x = DrawnLayer::Draw("x", 17, 20);
  TestMatrix dy = DrawnLayer::Draw("dy", 17, 20);
  Results all = RunBoth(layer.View(), {offsets, x.view()}, dy.view(), pool);
  for (size_t s = 0; s < Lengths().size(); ++s) {
    const int64_t begin = offsets[s], end = offsets[s + 1];
    const std::vector<int64_t> alone = {0, end - begin};
    Results one = RunBoth(layer.View(), {alone, x.view().Rows(begin, end)},
                          dy.view().Rows(begin, end), pool);
    for (int64_t t = begin; t < end; ++t) {
      EXPECT_TRUE(
          BitsEqual<float>(one.y.view().Row(t - begin), all.y.view().Row(t)));
      EXPECT_TRUE(
          BitsEqual<float>(one.dx.view().Row(t - begin), all.dx.view().Row(t)));
      EXPECT_TRUE(BitsEqual<float>(one.d_activation.view().Row(t - begin),
                                   all.d_activation.view().Row(t)));
    }
  }
}

TEST(DecoderLayerBitsTest, WorksInPlace) {
  base::ThreadPool pool(2);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = Offsets(Lengths());
  TestMatrix x = DrawnLayer::Draw("x", 17, 20);
  TestMatrix dy = DrawnLayer::Draw("dy", 17, 20);
  const Results want =
      RunBoth(layer.View(), {offsets, x.view()}, dy.view(), pool);
  MOE_ASSERT_OK(DecoderLayerBackward(layer.View(), {offsets, x.view()},
                                     {dy.view(), dy.view(), nullptr}, pool));
  EXPECT_TRUE(BitsEqual(dy, want.dx));
  MOE_ASSERT_OK(
      ForwardLayer(layer.View(), {offsets, x.view()}, {}, x.view(), pool));
  EXPECT_TRUE(BitsEqual(x, want.y));
}

// As a walk runs them that holds both blocks' outputs back.
TEST(DecoderLayerBitsTest, StagesApartAreTheWhole) {
  base::ThreadPool pool(2);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = Offsets(Lengths());
  TestMatrix x = DrawnLayer::Draw("x", 17, 20), whole(17, 20), y(17, 20);
  MOE_ASSERT_OK(
      ForwardLayer(layer.View(), {offsets, x.view()}, {}, whole.view(), pool));
  TestMatrix attention(17, 20), mlp(17, 20);
  LayerForward forward;
  forward.attention = {attention.view(), {}};
  forward.mlp = {mlp.view(), {}};
  forward.hidden = y.view();
  const auto run = [&](LayerStage first, LayerStage last) {
    forward.first = first;
    forward.last = last;
    MOE_EXPECT_OK(DecoderLayerForward(layer.View(), {offsets, x.view()}, {},
                                      forward, pool));
  };
  run(LayerStage::kAttention, LayerStage::kAttention);
  run(LayerStage::kAddAttention, LayerStage::kMlp);
  EXPECT_FALSE(BitsEqual(y, whole));
  run(LayerStage::kAddMlp, LayerStage::kAddMlp);
  EXPECT_TRUE(BitsEqual(y, whole));
}

// A backward that has the attention does not attend: what it is given shows.
TEST(DecoderLayerBitsTest, TakesTheSavedAttention) {
  base::ThreadPool pool(1);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = {0, 5};
  TestMatrix x = DrawnLayer::Draw("x", 5, 20), y(5, 20), dx(5, 20);
  SavedAttention saved;
  LayerTaps taps;
  taps.saved_attention = &saved;
  MOE_ASSERT_OK(
      ForwardLayer(layer.View(), {offsets, x.view()}, taps, y.view(), pool));
  const auto backward = [&] {
    LayerGradients gradients{y.view(), dx.view(), nullptr, &saved};
    MOE_EXPECT_OK(DecoderLayerBackward(layer.View(), {offsets, x.view()},
                                       gradients, pool));
    return dx;
  };
  const TestMatrix want = backward();
  saved.out.view().Row(4)[0] += 1.0f;
  EXPECT_FALSE(BitsEqual(backward(), want));
}

// LayerPasses::kBackward has no forward product of down.
TEST(DecoderLayerBitsTest, TheBackwardNeedsNoForwardOfDown) {
  base::ThreadPool pool(2);
  DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = Offsets(Lengths());
  TestMatrix x = DrawnLayer::Draw("x", 17, 20);
  TestMatrix dy = DrawnLayer::Draw("dy", 17, 20);
  const Results want =
      RunBoth(layer.View(), {offsets, x.view()}, dy.view(), pool);
  TestMatrix out(17, 20);
  layer.weights.mlp.down.forward = kernels::PackedMatrix();
  MOE_ASSERT_OK(DecoderLayerBackward(layer.View(), {offsets, x.view()},
                                     {dy.view(), out.view(), nullptr}, pool));
  EXPECT_TRUE(BitsEqual(out, want.dx));
}

TEST(DecoderLayerTapsTest, MayChangeTheBlocksOutputs) {
  base::ThreadPool pool(1);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = {0, 3};
  TestMatrix x = DrawnLayer::Draw("x", 3, 20), y(3, 20);
  const auto clear = [](base::MatrixView<float> out) {
    for (int64_t r = 0; r < out.rows; ++r) {
      for (float& value : out.Row(r)) value = 0.0f;
    }
    return absl::OkStatus();
  };
  LayerTaps taps;
  taps.attention_output = clear;
  taps.mlp_output = clear;
  MOE_ASSERT_OK(
      ForwardLayer(layer.View(), {offsets, x.view()}, taps, y.view(), pool));
  // Nothing is added to x but zeros.
  const std::vector<float> got = y.Values(), want = x.Values();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], want[i]);
}

TEST(DecoderLayerTapsTest, TheirErrorsEndThePass) {
  base::ThreadPool pool(1);
  const DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = {0, 3};
  TestMatrix x = DrawnLayer::Draw("x", 3, 20), y(3, 20);
  const auto fail = [](const auto&...) {
    return absl::DataLossError("the tap's");
  };
  const auto expect_failure = [&](const LayerTaps& taps) {
    EXPECT_THAT(
        ForwardLayer(layer.View(), {offsets, x.view()}, taps, y.view(), pool),
        StatusIs(absl::StatusCode::kDataLoss, "the tap's"));
  };
  LayerTaps attention_output, mlp_input, mlp_output, block_parts;
  attention_output.attention_output = fail;
  mlp_input.mlp_input = fail;
  mlp_output.mlp_output = fail;
  block_parts.block_parts = fail;
  for (const LayerTaps& taps :
       {attention_output, mlp_input, mlp_output, block_parts}) {
    expect_failure(taps);
  }
  EXPECT_THAT(DecoderLayerBackward(layer.View(), {offsets, x.view()},
                                   {x.view(), y.view(), fail}, pool),
              StatusIs(absl::StatusCode::kDataLoss, "the tap's"));
}

TEST(DecoderLayerErrorsTest, NamesTheActivationThatIsNotFinite) {
  base::ThreadPool pool(2);
  DrawnLayer layer(pool, {9});
  const std::vector<int64_t> offsets = Offsets(Lengths());
  TestMatrix x = DrawnLayer::Draw("x", 17, 20), y(17, 20);
  const auto forward = [&] {
    return ForwardLayer(layer.View(), {offsets, x.view()}, {}, y.view(), pool);
  };
  // Row 12 is token 2 of the sequence of 5.
  x.view().Row(12)[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(forward(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("attention queries of sequence 3, position 2, "
                                 "feature 0 of 24: NaN or infinity")));
  // The caller may number sequences from elsewhere.
  EXPECT_THAT(
      ForwardLayer(layer.View(), {offsets, x.view(), 100}, {}, y.view(), pool),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("of sequence 103, position 2")));
  x = DrawnLayer::Draw("x", 17, 20);
  layer.weights.mlp.up.bias[36] = 3e38f;
  layer.weights.mlp.gate.bias[36] = 3e38f;
  EXPECT_THAT(forward(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("MLP activation of sequence 0, position 0, "
                                 "feature 36 of 37")));
  layer.weights.attention.value.bias[5] =
      std::numeric_limits<float>::infinity();
  EXPECT_THAT(forward(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("attention values of sequence 0")));
}

// One layer at a time from the hidden states of transformers to the next ones.
TEST(DecoderLayerGoldenTest, IsTransformers) {
  base::ThreadPool pool(2);
  for (const char* name :
       {"llama_gqa_bf16", "llama_mha_f32_sharded", "llama_headdim_f16"}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const checkpoint::Checkpoint checkpoint,
        checkpoint::Checkpoint::Open(absl::StrCat("testdata/", name)));
    MOE_ASSERT_OK_AND_ASSIGN(checkpoint::HostTensors goldens,
                             checkpoint::ReadSafetensorsFile(absl::StrCat(
                                 "testdata/goldens/", name, ".safetensors")));
    const checkpoint::LlamaConfig& config = *checkpoint.dense_config();
    MOE_ASSERT_OK_AND_ASSIGN(const RotaryTables rotary,
                             RotaryTables::Create(config, {48}, pool));
    // All sequences in one batch.
    const auto hidden = [&](int64_t layer) {
      std::vector<float> values;
      for (const int s : {0, 1, 2}) {
        const checkpoint::HostTensor& tensor =
            goldens.at(absl::StrCat("seq.", s, ".hidden.", layer));
        std::vector<float> part(tensor.bytes.size() / 4);
        checkpoint::WeightsToFloat(tensor.dtype, tensor.bytes,
                                   absl::MakeSpan(part));
        values.insert(values.end(), part.begin(), part.end());
      }
      return values;
    };
    const std::vector<int64_t> offsets = {0, 1, 18, 66};
    double worst = 0.0;
    for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
      MOE_ASSERT_OK_AND_ASSIGN(
          const DecoderLayerWeights weights,
          ReadDecoderLayerWeights(checkpoint, layer, LayerPasses::kForward,
                                  pool));
      std::vector<float> state = hidden(layer);
      const base::MatrixView<float> x(state.data(), 66, config.hidden_size);
      MOE_ASSERT_OK(ForwardLayer({&config, &weights, &rotary, {}}, {offsets, x},
                                 {}, x, pool));
      const std::vector<float> want = hidden(layer + 1);
      double error = 0.0, norm = 0.0;
      for (size_t i = 0; i < want.size(); ++i) {
        error += std::pow(static_cast<double>(state[i]) - want[i], 2);
        norm += std::pow(static_cast<double>(want[i]), 2);
        ASSERT_NEAR(state[i], want[i], 1e-5 * (1 + std::fabs(want[i])))
            << name << ", layer " << layer << ", " << i;
      }
      worst = std::max(worst, std::sqrt(error / norm));
    }
    // Two float32 evaluations: measured 3e-7 to 6e-7.
    EXPECT_LT(worst, 1e-6) << name;
    RecordProperty(name, absl::StrCat(worst));
  }
}

}  // namespace
}  // namespace moe::model
