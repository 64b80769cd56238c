#include "moe/checkpoint/tensor_name.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::checkpoint {
namespace {

using ::testing::Optional;

TEST(TensorNameTest, EveryFormGoesBothWays) {
  const struct {
    const char* text;
    TensorName name;
  } kCases[] = {
      {"model.embed_tokens.weight", {TensorKind::kEmbedding, -1, -1, false}},
      {"model.norm.weight", {TensorKind::kFinalNorm, -1, -1, false}},
      {"lm_head.weight", {TensorKind::kLmHead, -1, -1, false}},
      {"model.layers.0.input_layernorm.weight",
       {TensorKind::kInputNorm, 0, -1, false}},
      {"model.layers.31.post_attention_layernorm.weight",
       {TensorKind::kPostAttentionNorm, 31, -1, false}},
      {"model.layers.2.self_attn.q_proj.weight",
       {TensorKind::kQuery, 2, -1, false}},
      {"model.layers.2.self_attn.k_proj.7.weight",
       {TensorKind::kKey, 2, 7, false}},
      {"model.layers.2.self_attn.v_proj.bias",
       {TensorKind::kValue, 2, -1, true}},
      {"model.layers.2.self_attn.o_proj.0.bias",
       {TensorKind::kOutput, 2, 0, true}},
      {"model.layers.2.self_attn.gate.weight",
       {TensorKind::kAttentionRouter, 2, -1, false}},
      {"model.layers.9.mlp.gate_proj.weight",
       {TensorKind::kMlpGate, 9, -1, false}},
      {"model.layers.9.mlp.up_proj.bias", {TensorKind::kMlpUp, 9, -1, true}},
      {"model.layers.9.mlp.down_proj.weight",
       {TensorKind::kMlpDown, 9, -1, false}},
      {"model.layers.9.block_sparse_moe.gate.weight",
       {TensorKind::kRouter, 9, -1, false}},
      {"model.layers.9.block_sparse_moe.w1.weight",
       {TensorKind::kContractGate, 9, -1, false}},
      {"model.layers.9.block_sparse_moe.w3.weight",
       {TensorKind::kContractUp, 9, -1, false}},
      {"model.layers.9.block_sparse_moe.w2.weight",
       {TensorKind::kContractDown, 9, -1, false}},
      {"model.layers.10.block_sparse_moe.experts.12.w1.weight",
       {TensorKind::kExpertGate, 10, 12, false}},
      {"model.layers.10.block_sparse_moe.experts.12.w3.weight",
       {TensorKind::kExpertUp, 10, 12, false}},
      {"model.layers.10.block_sparse_moe.experts.12.w2.bias",
       {TensorKind::kExpertDown, 10, 12, true}},
      {"model.layers.3.mlp_residual.w1.weight",
       {TensorKind::kResidualGate, 3, -1, false}},
      {"model.layers.3.mlp_residual.w3.weight",
       {TensorKind::kResidualUp, 3, -1, false}},
      {"model.layers.3.mlp_residual.w2.weight",
       {TensorKind::kResidualDown, 3, -1, false}},
  };
  for (const auto& [text, name] : kCases) {
    EXPECT_THAT(ParseTensorName(text), Optional(name)) << text;
    EXPECT_EQ(FormatTensorName(name), text);
  }
}

TEST(TensorNameTest, OtherTextsAreNoNames) {
  for (const char* text :
       {"",
        "weight",
        ".weight",
        "model.norm",
        "model.norm.weight.weight",
        "model.layers.weight",
        "model.layers.0.weight",
        "model.layers.01.input_layernorm.weight",
        "model.layers.-1.input_layernorm.weight",
        "model.layers.+1.input_layernorm.weight",
        "model.layers. 1.input_layernorm.weight",
        "model.layers.1.input_layernorm.0.weight",
        "model.layers.99999999999999999999.input_layernorm.weight",
        "model.layers.0.model.norm.weight",
        "input_layernorm.weight",
        "model.layers.0.self_attn.q_proj..weight",
        "model.layers.0.self_attn.q_proj.x.weight",
        "model.layers.0.block_sparse_moe.experts.w1.weight",
        "model.layers.0.block_sparse_moe.experts.1.w4.weight",
        "model.layers.0.self_attn.rotary_emb.inv_freq"}) {
    EXPECT_EQ(ParseTensorName(text), std::nullopt) << text;
  }
}

TEST(TensorNameTest, DerivedBuffersWhereverTheyStand) {
  for (const char* text :
       {"model.layers.0.self_attn.rotary_emb.inv_freq",
        "module.model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.inv_freq", "model.rotary_emb.original_inv_freq",
        "rotary_emb.cos", "inv_freq", "layers.3.attn.cos_cached",
        "model.sin_cached", "model.causal_mask",
        "model.layers.0.attn.masked_bias", "model.layers.0.self_attn.bias"}) {
    EXPECT_TRUE(IsDerivedBuffer(text)) << text;
  }
  for (const char* text :
       {"", "rotary_emb", "bias", "model.layers.0.self_attn.q_proj.weight",
        "model.layers.0.self_attn.q_proj.bias", "model.norm.weight",
        "model.layers.0.self_attn.my_inv_freq",
        "model.layers.0.rotary_emb_x.weight"}) {
    EXPECT_FALSE(IsDerivedBuffer(text)) << text;
  }
}

}  // namespace

namespace {

const std::vector<std::string>& ModelNames() {
  static const auto* const names = new std::vector<std::string>{
      "lm_head.weight", "model.embed_tokens.weight",
      "model.layers.0.mlp.up_proj.weight", "model.norm.weight"};
  return *names;
}

TEST(FindNamePrefixTest, TakesAWrappersPrefixOff) {
  for (const std::string wrapper :
       {"", "module.", "_orig_mod.", "base_model.model.", "module._orig_mod.",
        "model.", "a_trainer_nobody_knows."}) {
    std::vector<std::string> names;
    for (const std::string& name : ModelNames()) {
      names.push_back(absl::StrCat(wrapper, name));
    }
    const NamePrefix prefix = FindNamePrefix(names);
    EXPECT_EQ(prefix.wrapper, wrapper);
    EXPECT_EQ(prefix.IsNone(), wrapper.empty());
    for (size_t i = 0; i < names.size(); ++i) {
      EXPECT_EQ(prefix.ModelName(names[i]), ModelNames()[i]);
    }
  }
}

TEST(FindNamePrefixTest, AddsModelWhereItIsMissing) {
  for (const std::string wrapper : {"", "module."}) {
    const NamePrefix prefix =
        FindNamePrefix({wrapper + "embed_tokens.weight",
                        wrapper + "lm_head.weight", wrapper + "norm.weight"});
    EXPECT_FALSE(prefix.IsNone());
    EXPECT_EQ(prefix.ModelName(wrapper + "norm.weight"), "model.norm.weight");
    EXPECT_EQ(prefix.ModelName(wrapper + "lm_head.weight"), "lm_head.weight");
  }
}

TEST(FindNamePrefixTest, NoneWhereNotAllNamesHaveIt) {
  EXPECT_TRUE(
      FindNamePrefix({"module.model.embed_tokens.weight", "model.norm.weight"})
          .IsNone());
  EXPECT_TRUE(FindNamePrefix({}).IsNone());
  EXPECT_TRUE(FindNamePrefix({"model.norm.weight"}).IsNone());
  EXPECT_TRUE(FindNamePrefix({"a.embed_tokens.weight", "b.embed_tokens.weight"})
                  .IsNone());
  EXPECT_TRUE(FindNamePrefix({"my_embed_tokens.weight"}).IsNone());
}

TEST(NearestTensorNameTest, SharesMostPartsFromTheEnd) {
  EXPECT_EQ(NearestTensorName("model.layers.0.mlp.up_proj.weight",
                              {"other.weight", "layers.1.mlp.up_proj.weight",
                               "layers.0.mlp.up_proj.weight"}),
            "layers.0.mlp.up_proj.weight");
  EXPECT_EQ(NearestTensorName("lm_head.weight", {"wte.weight", "head.weight"}),
            "wte.weight");
  EXPECT_EQ(NearestTensorName("lm_head.weight", {}), "");
}

}  // namespace
}  // namespace moe::checkpoint
