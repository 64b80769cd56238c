#include "moe/checkpoint/tensor_set.h"

#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"

namespace moe::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

LlamaConfig OneLayer() {
  LlamaConfig config;
  config.vocab_size = 10;
  config.hidden_size = 6;
  config.intermediate_size = 8;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 2;
  return config;
}

TEST(DenseTensorSetTest, HasEveryTensorOnce) {
  EXPECT_THAT(
      DenseTensorSet(OneLayer()),
      UnorderedElementsAre(
          Pair("model.embed_tokens.weight", ElementsAre(10, 6)),
          Pair("model.norm.weight", ElementsAre(6)),
          Pair("lm_head.weight", ElementsAre(10, 6)),
          Pair("model.layers.0.input_layernorm.weight", ElementsAre(6)),
          Pair("model.layers.0.post_attention_layernorm.weight",
               ElementsAre(6)),
          Pair("model.layers.0.self_attn.q_proj.weight", ElementsAre(8, 6)),
          Pair("model.layers.0.self_attn.k_proj.weight", ElementsAre(4, 6)),
          Pair("model.layers.0.self_attn.v_proj.weight", ElementsAre(4, 6)),
          Pair("model.layers.0.self_attn.o_proj.weight", ElementsAre(6, 8)),
          Pair("model.layers.0.mlp.gate_proj.weight", ElementsAre(8, 6)),
          Pair("model.layers.0.mlp.up_proj.weight", ElementsAre(8, 6)),
          Pair("model.layers.0.mlp.down_proj.weight", ElementsAre(6, 8))));
}

TEST(DenseTensorSetTest, BiasesAndTiedEmbeddings) {
  LlamaConfig config = OneLayer();
  config.tie_word_embeddings = true;
  config.attention_bias = true;
  config.mlp_bias = true;
  const TensorSet set = DenseTensorSet(config);
  EXPECT_EQ(set.size(), 18u);  // 12 - lm_head + 4 of attention + 3 of the MLP
  EXPECT_EQ(set.count("lm_head.weight"), 0u);
  EXPECT_THAT(set.at("model.layers.0.self_attn.k_proj.bias"), ElementsAre(4));
  EXPECT_THAT(set.at("model.layers.0.self_attn.o_proj.bias"), ElementsAre(6));
  EXPECT_THAT(set.at("model.layers.0.mlp.up_proj.bias"), ElementsAre(8));
  EXPECT_THAT(set.at("model.layers.0.mlp.down_proj.bias"), ElementsAre(6));
}

MoeConfig ThreeLayers() {
  MoeConfig config;
  config.decoder = OneLayer();
  config.decoder.num_hidden_layers = 3;
  config.num_moe_contract_layers = 1;
  config.num_local_experts = 2;
  config.num_experts_per_tok = 1;
  config.expert_intermediate_size = 3;
  config.intermediate_size_residual = 2;
  return config;
}

int64_t CountWithPrefix(const TensorSet& set, const std::string& prefix) {
  int64_t count = 0;
  for (const auto& [name, shape] : set) {
    count += name.compare(0, prefix.size(), prefix) == 0 ? 1 : 0;
  }
  return count;
}

TEST(MoeTensorSetTest, ResidualWithContractLayers) {
  const TensorSet set = MoeTensorSet(ThreeLayers());
  // 2 norms, 4 of attention, 3 of the dense MLP.
  EXPECT_EQ(CountWithPrefix(set, "model.layers.0."), 9);
  EXPECT_EQ(CountWithPrefix(set, "model.layers.2."), 9);
  // 2 norms, 4 of attention, router, 2 experts of 3, residual of 3.
  EXPECT_EQ(CountWithPrefix(set, "model.layers.1."), 16);
  EXPECT_THAT(set.at("model.layers.0.block_sparse_moe.w2.weight"),
              ElementsAre(6, 8));
  EXPECT_THAT(set.at("model.layers.1.block_sparse_moe.gate.weight"),
              ElementsAre(2, 6));
  EXPECT_THAT(set.at("model.layers.1.block_sparse_moe.experts.1.w3.weight"),
              ElementsAre(3, 6));
  EXPECT_THAT(set.at("model.layers.1.block_sparse_moe.experts.0.w2.weight"),
              ElementsAre(6, 3));
  EXPECT_THAT(set.at("model.layers.1.mlp_residual.w1.weight"),
              ElementsAre(2, 6));
}

TEST(MoeTensorSetTest, AttentionExpertsShareTheQueryHeads) {
  MoeConfig config = ThreeLayers();
  config.use_attn_moe = true;
  config.attn_experts = 4;  // 2 KV heads, each split in 2: one query head each.
  config.top_k_attn = 2;
  config.add_rescale_bias = true;
  const TensorSet set = MoeTensorSet(config);
  const std::string layer = "model.layers.1.self_attn.";
  EXPECT_THAT(set.at(layer + "gate.weight"), ElementsAre(4, 6));
  EXPECT_THAT(set.at(layer + "q_proj.3.weight"), ElementsAre(2, 6));
  EXPECT_THAT(set.at(layer + "k_proj.3.weight"), ElementsAre(2, 6));
  EXPECT_THAT(set.at(layer + "o_proj.3.weight"), ElementsAre(6, 2));
  EXPECT_THAT(set.at(layer + "o_proj.3.bias"), ElementsAre(6));
  EXPECT_THAT(set.at("model.layers.1.block_sparse_moe.experts.1.w2.bias"),
              ElementsAre(6));
  EXPECT_EQ(set.count(layer + "q_proj.weight"), 0u);
  EXPECT_EQ(set.count(layer + "q_proj.3.bias"), 0u);
  EXPECT_EQ(set.count("model.layers.1.mlp_residual.w2.bias"), 0u);
  EXPECT_EQ(set.count("model.layers.0.self_attn.o_proj.bias"), 0u);
}

TEST(MoeTensorSetTest, AttentionExpertsAloneKeepTheMlpDense) {
  MoeConfig config = ThreeLayers();
  config.num_local_experts = 0;
  config.use_attn_moe = true;
  config.attn_experts = 2;
  config.top_k_attn = 1;
  const TensorSet set = MoeTensorSet(config);
  EXPECT_THAT(set.at("model.layers.1.block_sparse_moe.w1.weight"),
              ElementsAre(8, 6));
  EXPECT_EQ(CountWithPrefix(set, "model.layers.1.block_sparse_moe."), 3);
}

}  // namespace
}  // namespace moe::checkpoint
