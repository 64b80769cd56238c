#include "moe/model/layer/decoder_layer_weights.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/linear.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<float> TensorOf(const checkpoint::Checkpoint& checkpoint,
                            const std::string& name) {
  const checkpoint::TensorLocation at = checkpoint.tensors().Find(name);
  const checkpoint::HostTensor tensor =
      at.shard->ReadTensor(*at.tensor).value();
  std::vector<float> values(
      tensor.bytes.size() /
      static_cast<size_t>(checkpoint::DtypeSize(tensor.dtype)));
  checkpoint::WeightsToFloat(tensor.dtype, tensor.bytes,
                             absl::MakeSpan(values));
  return values;
}

// The weight, column by column: the layer's output for unit vectors. In the
// other direction, row by row.
std::vector<float> Unpacked(const kernels::PackedMatrix& packed,
                            base::ThreadPool& pool) {
  base::Matrix<float> units(packed.depth(), packed.depth());
  for (int64_t i = 0; i < packed.depth(); ++i) {
    for (float& value : units.view().Row(i)) value = 0.0f;
    units.view().Row(i)[static_cast<size_t>(i)] = 1.0f;
  }
  base::Matrix<float> columns(packed.depth(), packed.num_outputs());
  kernels::Gemm(units.view(), packed, columns.view(), pool);
  std::vector<float> values;
  for (int64_t i = 0; i < columns.rows(); ++i) {
    const absl::Span<const float> row = columns.view().Row(i);
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

TEST(DecoderLayerWeightsTest, AreTheCheckpoints) {
  base::ThreadPool pool(2);
  for (const char* directory :
       {"testdata/llama_gqa_bf16", "testdata/llama_mha_f32_sharded",
        "testdata/llama_headdim_f16"}) {
    SCOPED_TRACE(directory);
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                             checkpoint::Checkpoint::Open(directory));
    MOE_ASSERT_OK_AND_ASSIGN(
        const DecoderLayerWeights weights,
        ReadDecoderLayerWeights(checkpoint, 1, LayerPasses::kForwardAndBackward,
                                pool));
    const std::map<std::string, const Linear*> linears = {
        {"self_attn.q_proj", &weights.attention.query},
        {"self_attn.k_proj", &weights.attention.key},
        {"self_attn.v_proj", &weights.attention.value},
        {"self_attn.o_proj", &weights.attention.output},
        {"mlp.gate_proj", &weights.mlp.gate},
        {"mlp.up_proj", &weights.mlp.up},
        {"mlp.down_proj", &weights.mlp.down}};
    for (const auto& [name, linear] : linears) {
      const std::vector<float> want = TensorOf(
          checkpoint, absl::StrCat("model.layers.1.", name, ".weight"));
      EXPECT_TRUE(BitsEqual<float>(Unpacked(linear->backward, pool), want))
          << name;
      EXPECT_TRUE(linear->bias.empty());
      std::vector<float> transposed = Unpacked(linear->forward, pool);
      const int64_t rows = linear->forward.num_outputs();
      const int64_t cols = linear->forward.depth();
      for (int64_t i = 0; i < rows * cols; ++i) {
        ASSERT_EQ(want[static_cast<size_t>(i)],
                  transposed[static_cast<size_t>(i % cols * rows + i / cols)])
            << name;
      }
    }
    EXPECT_EQ(weights.input_norm,
              TensorOf(checkpoint, "model.layers.1.input_layernorm.weight"));
    EXPECT_EQ(
        weights.post_attention_norm,
        TensorOf(checkpoint, "model.layers.1.post_attention_layernorm.weight"));
  }
}

TEST(DecoderLayerWeightsTest, ForwardAloneTakesHalfTheMemory) {
  base::ThreadPool pool(1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open("testdata/llama_gqa_bf16"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const DecoderLayerWeights weights,
      ReadDecoderLayerWeights(checkpoint, 0, LayerPasses::kForward, pool));
  // 2 * 128 for the norms; 128 x 128 queries and outputs, 64 x 128 keys and
  // values, 384 x 128 thrice: every size a multiple of a panel's 32.
  EXPECT_EQ(weights.size_bytes(),
            4 * (256 + 2 * 128 * 128 + 2 * 64 * 128 + 3 * 384 * 128));
}

TEST(DecoderLayerWeightsTest, TheirSizesAreKnownBefore) {
  base::ThreadPool pool(1);
  for (const char* directory :
       {"testdata/llama_gqa_bf16", "testdata/llama_headdim_f16"}) {
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                             checkpoint::Checkpoint::Open(directory));
    for (const LayerPasses passes :
         {LayerPasses::kForward, LayerPasses::kBackward,
          LayerPasses::kForwardAndBackward}) {
      MOE_ASSERT_OK_AND_ASSIGN(
          const DecoderLayerWeights weights,
          ReadDecoderLayerWeights(checkpoint, 0, passes, pool));
      EXPECT_EQ(PackedLayerBytes(checkpoint, 0, passes), weights.size_bytes());
    }
  }
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open("testdata/llama_gqa_bf16"));
  EXPECT_EQ(StoredLayerBytes(checkpoint, 3),
            2 * (256 + 2 * 128 * 128 + 2 * 64 * 128 + 3 * 384 * 128));
  EXPECT_EQ(LargestLayerTensorBytes(checkpoint, 3), 2 * 384 * 128);
}

TEST(DecoderLayerWeightsTest, ReadingApartFromPackingIsTheSame) {
  base::ThreadPool pool(2);
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open("testdata/llama_mha_f32_sharded"));
  MOE_ASSERT_OK_AND_ASSIGN(DecoderLayerTensors tensors,
                           ReadDecoderLayerTensors(checkpoint, 2));
  const DecoderLayerWeights apart =
      PackDecoderLayer(std::move(tensors), LayerPasses::kForward, pool);
  MOE_ASSERT_OK_AND_ASSIGN(
      const DecoderLayerWeights at_once,
      ReadDecoderLayerWeights(checkpoint, 2, LayerPasses::kForward, pool));
  EXPECT_EQ(apart.input_norm, at_once.input_norm);
  EXPECT_EQ(apart.post_attention_norm, at_once.post_attention_norm);
  const auto linears = [](const DecoderLayerWeights& weights) {
    return std::vector<const Linear*>{
        &weights.attention.query, &weights.attention.output, &weights.mlp.down};
  };
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(BitsEqual<float>(Unpacked(linears(apart)[i]->forward, pool),
                                 Unpacked(linears(at_once)[i]->forward, pool)));
  }
}

// Both products of every weight but down's, whose forward the backward does not
// compute again.
TEST(DecoderLayerWeightsTest, BackwardAloneIsWithoutTheForwardOfDown) {
  base::ThreadPool pool(1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open("testdata/llama_gqa_bf16"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const DecoderLayerWeights weights,
      ReadDecoderLayerWeights(checkpoint, 0, LayerPasses::kBackward, pool));
  EXPECT_EQ(weights.mlp.down.forward.depth(), 0);
  EXPECT_EQ(weights.mlp.down.backward.depth(), 128);
  EXPECT_EQ(weights.size_bytes(),
            4 * (256 + 2 * (2 * 128 * 128 + 2 * 64 * 128 + 2 * 384 * 128) +
                 384 * 128));
}

// The last of the two malformed kinds that only a step that computes looks
// for.
TEST(DecoderLayerWeightsTest, NamesAWeightThatIsNotFinite) {
  base::ThreadPool pool(1);
  for (const char* name : {"value_nan", "value_infinity"}) {
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                             checkpoint::Checkpoint::Open(
                                 absl::StrCat("testdata/malformed/", name)));
    EXPECT_THAT(
        ReadDecoderLayerWeights(checkpoint, 0, LayerPasses::kForward, pool),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("model.safetensors: tensor model.layers.0."),
                       HasSubstr("NaN or infinity"))))
        << name;
  }
}

// The smallest checkpoint, with biases added.
TEST(DecoderLayerWeightsTest, ReadsBiases) {
  const base::testing::TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string config,
      base::ReadFile("testdata/malformed/valid/config.json", 1 << 20));
  directory.Write(
      "config.json",
      absl::StrReplaceAll(config, {{"\"hidden_act\"",
                                    "\"attention_bias\": true, \"mlp_bias\": "
                                    "true, \"hidden_act\""}}));
  MOE_ASSERT_OK_AND_ASSIGN(checkpoint::HostTensors tensors,
                           checkpoint::ReadSafetensorsFile(
                               "testdata/malformed/valid/model.safetensors"));
  checkpoint::HostTensors biases;
  for (const auto& [name, tensor] : tensors) {
    const bool has_bias = name.find("_proj.weight") != std::string::npos;
    if (!has_bias) continue;
    checkpoint::HostTensor bias{checkpoint::Dtype::kF32, {tensor.shape[0]}, ""};
    bias.bytes.assign(static_cast<size_t>(4 * tensor.shape[0]), '\0');
    bias.bytes[3] = static_cast<char>(0x3f);  // 0.5 in front, then zeros.
    biases[absl::StrReplaceAll(name, {{"weight", "bias"}})] = bias;
  }
  ASSERT_EQ(biases.size(), 7);
  tensors.insert(biases.begin(), biases.end());
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      directory.Path("model.safetensors"), tensors, {}, /*overwrite=*/false));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                           checkpoint::Checkpoint::Open(directory.path()));
  base::ThreadPool pool(1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const DecoderLayerWeights weights,
      ReadDecoderLayerWeights(checkpoint, 0, LayerPasses::kForward, pool));
  for (const Linear* linear :
       {&weights.attention.query, &weights.attention.key,
        &weights.attention.value, &weights.attention.output, &weights.mlp.gate,
        &weights.mlp.up, &weights.mlp.down}) {
    ASSERT_EQ(static_cast<int64_t>(linear->bias.size()),
              linear->forward.num_outputs());
    EXPECT_EQ(linear->bias[0], 0.5f);
    EXPECT_EQ(linear->bias[1], 0.0f);
  }
}

// Every linear layer of layer `layer`, by the name of its tensors.
std::map<std::string, const Linear*> LinearsByName(
    const DecoderLayerWeights& weights, int64_t layer) {
  std::map<std::string, const Linear*> linears;
  const auto add = [&](const std::string& name, const Linear& linear) {
    if (linear.num_outputs() == 0) return;
    linears[absl::StrCat("model.layers.", layer, ".", name)] = &linear;
  };
  const auto add_attention = [&](const AttentionWeights& attention,
                                 const std::string& expert) {
    add("self_attn.q_proj" + expert, attention.query);
    add("self_attn.k_proj" + expert, attention.key);
    add("self_attn.v_proj" + expert, attention.value);
    add("self_attn.o_proj" + expert, attention.output);
  };
  const auto add_mlp = [&](const MlpWeights& mlp, const std::string& prefix) {
    add(prefix + ".w1", mlp.gate);
    add(prefix + ".w3", mlp.up);
    add(prefix + ".w2", mlp.down);
  };
  add("self_attn.gate", weights.attention_experts.router);
  add_attention(weights.attention, "");
  for (size_t e = 0; e < weights.attention_experts.experts.size(); ++e) {
    add_attention(weights.attention_experts.experts[e], absl::StrCat(".", e));
  }
  add("block_sparse_moe.gate", weights.mlp_experts.router);
  add_mlp(weights.mlp,
          weights.has_residual() ? "mlp_residual" : "block_sparse_moe");
  for (size_t e = 0; e < weights.mlp_experts.experts.size(); ++e) {
    add_mlp(weights.mlp_experts.experts[e],
            absl::StrCat("block_sparse_moe.experts.", e));
  }
  return linears;
}

void ExpectTensors(const checkpoint::Checkpoint& checkpoint,
                   const std::string& tensor, const Linear& linear,
                   base::ThreadPool& pool) {
  const std::vector<float> columns = Unpacked(linear.forward, pool);
  const std::vector<float> want = TensorOf(checkpoint, tensor + ".weight");
  const auto rows = static_cast<size_t>(linear.forward.num_outputs());
  const auto cols = static_cast<size_t>(linear.forward.depth());
  ASSERT_EQ(want.size(), rows * cols) << tensor;
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(want[i], columns[i % cols * rows + i / cols]) << tensor;
  }
  if (linear.bias.empty()) return;
  EXPECT_EQ(linear.bias, TensorOf(checkpoint, tensor + ".bias"));
}

// Every tensor of the layer but the norms is in its place, and nothing else.
TEST(DecoderLayerWeightsTest, PutsExpertsWhereTheyBelong) {
  base::ThreadPool pool(1);
  for (const char* name : {"vanilla", "residual", "contract", "attention",
                           "aligned", "attention_from_dense", "biases"}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const checkpoint::Checkpoint checkpoint,
        checkpoint::Checkpoint::Open(absl::StrCat("testdata/moe/", name)));
    const checkpoint::MoeConfig& config = *checkpoint.moe_config();
    for (int64_t layer = 0; layer < config.decoder.num_hidden_layers; ++layer) {
      SCOPED_TRACE(absl::StrCat(name, ", layer ", layer));
      MOE_ASSERT_OK_AND_ASSIGN(
          const DecoderLayerWeights weights,
          ReadDecoderLayerWeights(checkpoint, layer, LayerPasses::kForward,
                                  pool));
      EXPECT_EQ(PackedLayerBytes(checkpoint, layer, LayerPasses::kForward),
                weights.size_bytes());
      int64_t num_tensors = 2;  // The norms.
      for (const auto& [tensor, linear] : LinearsByName(weights, layer)) {
        ExpectTensors(checkpoint, tensor, *linear, pool);
        num_tensors += linear->bias.empty() ? 1 : 2;
      }
      int64_t want_tensors = 0, want_bytes = 0;
      for (const checkpoint::SafetensorsTensor& tensor :
           checkpoint.tensors().shards()[0].tensors()) {
        if (checkpoint::ParseTensorName(tensor.spec.name)->layer != layer)
          continue;
        ++want_tensors;
        want_bytes += checkpoint::NumBytes(tensor.spec);
      }
      EXPECT_EQ(num_tensors, want_tensors);
      EXPECT_EQ(StoredLayerBytes(checkpoint, layer), want_bytes);
    }
  }
}

}  // namespace
}  // namespace moe::model
