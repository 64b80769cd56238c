#include "moe/checkpoint/moe_config.h"

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/llama_config.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

constexpr char kDense[] = R"({
  "architectures": ["LlamaForCausalLM"],
  "vocab_size": 512, "hidden_size": 128, "intermediate_size": 384,
  "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4,
  "model_type": "llama", "rope_theta": 500000.0, "bos_token_id": 507,
  "something_new": "kept"})";

// Vanilla MLP experts and attention experts, with one contract layer at each
// end.
MoeConfig Sample() {
  MoeConfig config;
  config.decoder = ParseLlamaConfig(kDense).value();
  config.num_local_experts = 8;
  config.num_experts_per_tok = 2;
  config.expert_intermediate_size = 48;
  config.scale_factor = 4.0;
  config.num_moe_contract_layers = 1;
  config.use_attn_moe = true;
  config.attn_experts = 8;
  config.top_k_attn = 4;
  config.scale_factor_attn = 2.0;
  return config;
}

TEST(MoeConfigTest, GoesToTextAndBack) {
  MoeConfig config = Sample();
  config.intermediate_size_residual = 40;
  config.add_rescale_bias = true;
  const std::string text = FormatMoeConfig(config);
  MOE_ASSERT_OK_AND_ASSIGN(const MoeConfig back, ParseMoeConfig(text));
  EXPECT_EQ(back.num_local_experts, 8);
  EXPECT_EQ(back.num_experts_per_tok, 2);
  EXPECT_EQ(back.expert_intermediate_size, 48);
  EXPECT_EQ(back.decoder.intermediate_size, 384);
  EXPECT_THAT(back.intermediate_size_residual, Optional(40));
  EXPECT_EQ(back.scale_factor, 4.0);
  EXPECT_EQ(back.router_aux_loss_coef, 0.01);
  EXPECT_EQ(back.num_moe_contract_layers, 1);
  EXPECT_TRUE(back.use_attn_moe);
  EXPECT_EQ(back.attn_experts, 8);
  EXPECT_EQ(back.top_k_attn, 4);
  EXPECT_EQ(back.scale_factor_attn, 2.0);
  EXPECT_TRUE(back.add_rescale_bias);
  EXPECT_EQ(back.decoder.rope.theta, 500000.0);
  EXPECT_EQ(FormatMoeConfig(back), text);
}

TEST(MoeConfigTest, DoesNotTellWhereTheDenseModelLay) {
  MoeConfig config = Sample();
  base::Json& document = config.decoder.document;
  const std::string plain = FormatMoeConfig(config);
  document["_name_or_path"] = "meta-llama/Llama-2-7b";
  document["output_dir"] = "/home/ann/secret";
  document["tokenizer_class"] = "LlamaTokenizer";
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json written,
                           base::ParseJson(FormatMoeConfig(config)));
  EXPECT_FALSE(written.contains("_name_or_path"));
  EXPECT_FALSE(written.contains("output_dir"));
  EXPECT_EQ(written["tokenizer_class"], "LlamaTokenizer");
  document.erase("tokenizer_class");
  EXPECT_EQ(FormatMoeConfig(config), plain);
}

TEST(MoeConfigTest, KeepsWhatStillMeansTheSame) {
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json document,
                           base::ParseJson(FormatMoeConfig(Sample())));
  EXPECT_EQ(document["something_new"], "kept");
  EXPECT_EQ(document["bos_token_id"], 507);
  EXPECT_EQ(document["architectures"],
            base::Json::array({"LlamaMoeForCausalLM"}));
  EXPECT_EQ(document["model_type"], "llama_moe");
  EXPECT_EQ(document["moe_type"], "modulelist");
  EXPECT_EQ(document["auto_map"],
            base::Json::object(
                {{"AutoConfig", "configuration_llama_moe.LlamaMoeConfig"},
                 {"AutoModel", "modeling_llama_moe.LlamaMoeModel"},
                 {"AutoModelForCausalLM",
                  "modeling_llama_moe.LlamaMoeForCausalLM"}}));
  EXPECT_EQ(document["intermediate_size"], 48);
  EXPECT_EQ(document["dense_intermediate_size"], 384);
  EXPECT_TRUE(document.contains("sliding_window"));
  EXPECT_TRUE(document["sliding_window"].is_null());
  EXPECT_FALSE(document.contains("intermediate_size_residual"));
}

// What transformers' Mixtral computes too.
MoeConfig Plain() {
  MoeConfig config = Sample();
  config.scale_factor = 1.0;
  config.num_moe_contract_layers = 0;
  config.use_attn_moe = false;
  config.attn_experts = 0;
  config.top_k_attn = 0;
  config.scale_factor_attn = 1.0;
  return config;
}

TEST(MoeConfigTest, WritesAMixtralAsOne) {
  ASSERT_TRUE(IsPlainMixtral(Plain()));
  const std::string text = FormatMoeConfig(Plain());
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json document, base::ParseJson(text));
  EXPECT_EQ(document["architectures"],
            base::Json::array({"MixtralForCausalLM"}));
  EXPECT_EQ(document["model_type"], "mixtral");
  EXPECT_EQ(document["intermediate_size"], 48);
  for (const char* field :
       {"auto_map", "moe_type", "scale_factor", "dense_intermediate_size",
        "use_attn_moe", "attention_bias", "mlp_bias"}) {
    EXPECT_FALSE(document.contains(field)) << field;
  }
  MOE_ASSERT_OK_AND_ASSIGN(const MoeConfig back, ParseMoeConfig(text));
  EXPECT_EQ(ModelTypeOf(back), "mixtral");
  EXPECT_EQ(back.config_style, CheckpointForm::OWN);
  EXPECT_EQ(back.scale_factor, 1.0);
  EXPECT_EQ(back.expert_intermediate_size, 48);
  EXPECT_EQ(back.decoder.intermediate_size, 8 * 48);
  EXPECT_EQ(FormatMoeConfig(back), text);
}

TEST(MoeConfigTest, WhatIsBeyondMixtralHasAModelTypeOfItsOwn) {
  const struct {
    std::function<void(MoeConfig&)> change;
    const char* what;
  } kCases[] = {
      {[](MoeConfig& c) { c.intermediate_size_residual = 40; },
       "intermediate_size_residual 40"},
      {[](MoeConfig& c) { c.scale_factor = 4.0; }, "scale_factor 4"},
      {[](MoeConfig& c) { c.num_moe_contract_layers = 1; },
       "num_moe_contract_layers 1"},
      {[](MoeConfig& c) {
         c.use_attn_moe = true;
         c.attn_experts = 8;
         c.top_k_attn = 4;
       },
       "use_attn_moe"},
      {[](MoeConfig& c) { c.add_rescale_bias = true; }, "add_rescale_bias"},
      {[](MoeConfig& c) { c.decoder.attention_bias = true; }, "attention_bias"},
      {[](MoeConfig& c) { c.decoder.mlp_bias = true; }, "mlp_bias"},
  };
  for (const auto& [change, what] : kCases) {
    MoeConfig config = Plain();
    change(config);
    EXPECT_EQ(FindBeyondMixtral(config), what);
    const std::string text = FormatMoeConfig(config);
    MOE_ASSERT_OK_AND_ASSIGN(const base::Json document, base::ParseJson(text));
    EXPECT_EQ(document["model_type"], "llama_moe") << what;
    MOE_ASSERT_OK_AND_ASSIGN(const MoeConfig back, ParseMoeConfig(text));
    EXPECT_EQ(FindBeyondMixtral(back), what);
    config.config_style = CheckpointForm::PUBLISHED;
    EXPECT_EQ(ModelTypeOf(config), "mixtral") << what;
  }
}

// The published alignment reads intermediate_size_residual of every model.
TEST(MoeConfigTest, ThePublishedStyleIsThatOfThePublishedCode) {
  for (MoeConfig config : {Plain(), Sample()}) {
    config.config_style = CheckpointForm::PUBLISHED;
    const std::string text = FormatMoeConfig(config);
    MOE_ASSERT_OK_AND_ASSIGN(const base::Json document, base::ParseJson(text));
    EXPECT_EQ(document["architectures"],
              base::Json::array({"MixtralForCausalLM"}));
    EXPECT_EQ(document["model_type"], "mixtral");
    EXPECT_EQ(document["moe_type"], "modulelist");
    EXPECT_EQ(
        document["auto_map"],
        base::Json::object(
            {{"AutoConfig", "configuration_llama_moe.PublishedLlamaMoeConfig"},
             {"AutoModel", "modeling_llama_moe.MixtralModel"},
             {"AutoModelForCausalLM",
              "modeling_llama_moe.MixtralForCausalLM"}}));
    ASSERT_TRUE(document.contains("intermediate_size_residual"));
    EXPECT_TRUE(document["intermediate_size_residual"].is_null());
    MOE_ASSERT_OK_AND_ASSIGN(const MoeConfig back, ParseMoeConfig(text));
    EXPECT_EQ(back.config_style, CheckpointForm::PUBLISHED);
    EXPECT_EQ(FormatMoeConfig(back), text);
  }
}

// Defaults of transformers 4.57, which are others than LLaMA's.
TEST(MoeConfigTest, ReadsAMixtralOfAnotherMaking) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const MoeConfig config,
      ParseMoeConfig(R"({"model_type": "mixtral", "vocab_size": 512,
          "hidden_size": 128, "intermediate_size": 64,
          "num_hidden_layers": 4, "num_attention_heads": 8})"));
  EXPECT_EQ(config.num_local_experts, 8);
  EXPECT_EQ(config.num_experts_per_tok, 2);
  EXPECT_EQ(config.router_aux_loss_coef, 0.001);
  EXPECT_EQ(config.expert_intermediate_size, 64);
  EXPECT_EQ(config.decoder.num_key_value_heads, 8);
  EXPECT_EQ(config.decoder.rope.theta, 1e6);
  EXPECT_EQ(config.decoder.rms_norm_eps, 1e-5);
  EXPECT_EQ(config.decoder.max_position_embeddings, 131072);
  MOE_ASSERT_OK_AND_ASSIGN(
      const MoeConfig as_many,
      ParseMoeConfig(R"({"model_type": "mixtral", "vocab_size": 512,
          "hidden_size": 128, "intermediate_size": 64,
          "num_key_value_heads": null,
          "num_hidden_layers": 4, "num_attention_heads": 4})"));
  EXPECT_EQ(as_many.decoder.num_key_value_heads, 4);
  EXPECT_THAT(
      ParseMoeConfig(R"({"model_type": "mixtral", "vocab_size": 512,
          "hidden_size": 128, "intermediate_size": 64, "sliding_window": 4096,
          "num_hidden_layers": 4, "num_attention_heads": 8})"),
      StatusIs(
          absl::StatusCode::kUnimplemented,
          HasSubstr(
              "sliding_window: expected null, as attention over a window is "
              "not supported, found 4096")));
  EXPECT_THAT(
      ParseMoeConfig(R"({"model_type": "mixtral", "vocab_size": 512,
          "hidden_size": 128, "intermediate_size": 64, "scale_factor": 4,
          "num_hidden_layers": 4, "num_attention_heads": 8})"),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("scale_factor 4")));
  EXPECT_THAT(ParseMoeConfig(R"({"model_type": "mixtral", "vocab_size": 512,
          "hidden_size": 128, "intermediate_size": 64,
          "num_local_experts": 9223372036854775807,
          "num_hidden_layers": 4, "num_attention_heads": 8})"),
              StatusIs(kInvalid, HasSubstr("num_local_experts")));
}

// Under "mixtral", transformers would read 8 KV heads and a theta of 1e6.
TEST(MoeConfigTest, KeepsTheTokenizersCode) {
  MoeConfig config = Sample();
  const base::Json plain = base::ParseJson(FormatMoeConfig(config)).value();
  config.decoder.document["auto_map"] = {
      {"AutoTokenizer", {nullptr, "tokenization_fox.FoxTokenizer"}},
      {"AutoModelForCausalLM", "modeling_fox.FoxModel"}};
  base::Json document = base::ParseJson(FormatMoeConfig(config)).value();
  EXPECT_EQ(document["auto_map"]["AutoTokenizer"],
            base::Json({nullptr, "tokenization_fox.FoxTokenizer"}));
  document["auto_map"].erase("AutoTokenizer");
  EXPECT_EQ(document, plain);
}

TEST(MoeConfigTest, WritesOutWhatTheDenseConfigLeftToItsDefaults) {
  MoeConfig config = Sample();
  config.decoder = ParseLlamaConfig(R"({"model_type": "llama",
      "vocab_size": 512, "hidden_size": 128, "intermediate_size": 384,
      "num_hidden_layers": 4, "num_attention_heads": 4})")
                       .value();
  config.attn_experts = 4;
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json document,
                           base::ParseJson(FormatMoeConfig(config)));
  EXPECT_EQ(document["num_key_value_heads"], 4);
  EXPECT_EQ(document["head_dim"], 32);
  EXPECT_EQ(document["rope_theta"], 10000.0);
  EXPECT_EQ(document["rms_norm_eps"], 1e-6);
  EXPECT_EQ(document["max_position_embeddings"], 2048);
  EXPECT_EQ(document["tie_word_embeddings"], false);
  EXPECT_EQ(document["hidden_act"], "silu");
}

// Version 4 of transformers does not look at rope_parameters.
TEST(MoeConfigTest, WritesRopeInTheFormThatBothLinesRead) {
  const struct {
    const char* parameters;
    double theta;
    base::Json scaling;
  } kCases[] = {
      {R"({"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0,
           "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 32})",
       5e5,
       {{"rope_type", "llama3"},
        {"factor", 8.0},
        {"low_freq_factor", 1.0},
        {"high_freq_factor", 4.0},
        {"original_max_position_embeddings", 32}}},
      {R"({"rope_type": "default", "rope_theta": 2e4})", 2e4, base::Json()},
      {R"({"rope_type": "linear", "factor": 2.0})",
       1e4,
       {{"rope_type", "linear"}, {"factor", 2.0}}},
  };
  for (const auto& [parameters, theta, scaling] : kCases) {
    MoeConfig config = Sample();
    config.decoder =
        ParseLlamaConfig(
            absl::StrCat(R"({"model_type": "llama", "vocab_size": 512,
                "hidden_size": 128, "intermediate_size": 384,
                "num_hidden_layers": 4, "num_attention_heads": 8,
                "rope_parameters": )",
                         parameters, "}"))
            .value();
    const std::string text = FormatMoeConfig(config);
    MOE_ASSERT_OK_AND_ASSIGN(const base::Json document, base::ParseJson(text));
    EXPECT_EQ(document["rope_theta"], theta);
    EXPECT_EQ(document["rope_scaling"], scaling);
    EXPECT_FALSE(document.contains("rope_parameters"));
    MOE_ASSERT_OK_AND_ASSIGN(const MoeConfig back, ParseMoeConfig(text));
    EXPECT_EQ(back.decoder.rope.theta, theta);
    EXPECT_EQ(back.decoder.rope.type, config.decoder.rope.type);
    EXPECT_EQ(back.decoder.rope.factor, config.decoder.rope.factor);
  }
}

TEST(MoeConfigTest, ContractLayersAreAtBothEnds) {
  MoeConfig config = Sample();
  EXPECT_TRUE(config.IsContractLayer(0));
  EXPECT_FALSE(config.IsContractLayer(1));
  EXPECT_FALSE(config.IsContractLayer(2));
  EXPECT_TRUE(config.IsContractLayer(3));
  config.num_moe_contract_layers = 0;
  EXPECT_FALSE(config.IsContractLayer(0));
  EXPECT_FALSE(config.IsContractLayer(3));
}

TEST(MoeConfigTest, AttentionExpertsAlone) {
  MoeConfig config = Sample();
  config.num_local_experts = 0;
  config.num_experts_per_tok = 0;
  MOE_ASSERT_OK_AND_ASSIGN(const MoeConfig back,
                           ParseMoeConfig(FormatMoeConfig(config)));
  EXPECT_EQ(back.num_local_experts, 0);
  EXPECT_EQ(back.decoder.intermediate_size, 384);
}

TEST(MoeConfigTest, ValidationNamesTheField) {
  const struct {
    std::function<void(MoeConfig&)> change;
    const char* message;
  } kCases[] = {
      {[](MoeConfig& c) { c.num_local_experts = -1; }, "num_local_experts"},
      {[](MoeConfig& c) { c.num_experts_per_tok = 9; },
       "num_experts_per_tok: expected a number from 1 to 8"},
      {[](MoeConfig& c) { c.num_experts_per_tok = 0; }, "num_experts_per_tok"},
      {[](MoeConfig& c) { c.expert_intermediate_size = 385; },
       "(dense_intermediate_size), found 385"},
      {[](MoeConfig& c) { c.intermediate_size_residual = 0; },
       "intermediate_size_residual: expected a number from 1"},
      {[](MoeConfig& c) { c.scale_factor = 0; },
       "scale_factor: expected a number above 0, found 0"},
      {[](MoeConfig& c) { c.scale_factor = 0.0 / 0.0; }, "scale_factor"},
      {[](MoeConfig& c) { c.router_aux_loss_coef = -1; },
       "router_aux_loss_coef"},
      {[](MoeConfig& c) { c.num_moe_contract_layers = 2; },
       "num_moe_contract_layers: expected a number from 0 to 1"},
      {[](MoeConfig& c) { c.attn_experts = 6; }, "KV head, found 6"},
      {[](MoeConfig& c) { c.attn_experts = 16; }, "KV head, found 16"},
      {[](MoeConfig& c) { c.attn_experts = 0; }, "KV head, found 0"},
      {[](MoeConfig& c) { c.top_k_attn = 9; }, "(attn_experts), found 9"},
      {[](MoeConfig& c) { c.scale_factor_attn = -2; },
       "scale_factor_attn: expected a number above 0, found -2"},
  };
  EXPECT_THAT(ValidateMoeConfig(Sample()), IsOk());
  for (const auto& [change, message] : kCases) {
    MoeConfig config = Sample();
    change(config);
    EXPECT_THAT(ValidateMoeConfig(config),
                StatusIs(kInvalid, HasSubstr(message)));
  }
}

TEST(MoeConfigTest, RefusesOtherModels) {
  const std::string text = FormatMoeConfig(Sample());
  EXPECT_THAT(ParseMoeConfig(kDense), StatusIs(absl::StatusCode::kUnimplemented,
                                               HasSubstr("\"llama\"")));
  // A Mixtral of another making.
  EXPECT_THAT(
      ParseMoeConfig(absl::StrReplaceAll(text, {{"modulelist", "megablocks"}})),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("moe_type")));
  EXPECT_THAT(ParseMoeConfig(absl::StrReplaceAll(
                  text, {{"\"dense_intermediate_size\"", "\"other\""}})),
              StatusIs(kInvalid, HasSubstr("dense_intermediate_size")));
}

}  // namespace
}  // namespace moe::checkpoint
