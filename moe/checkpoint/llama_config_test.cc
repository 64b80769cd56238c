#include "moe/checkpoint/llama_config.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/dtype.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

// The fewest fields that make a model.
constexpr char kMinimal[] =
    R"("model_type": "llama", "vocab_size": 32000, "hidden_size": 4096,
       "intermediate_size": 11008, "num_hidden_layers": 32,
       "num_attention_heads": 32)";

std::string Minimal(absl::string_view more = "") {
  return absl::StrCat("{", kMinimal, more.empty() ? "" : ", ", more, "}");
}

TEST(LlamaConfigTest, AbsentFieldsHaveTheDefaultsOfTransformers) {
  MOE_ASSERT_OK_AND_ASSIGN(const LlamaConfig config,
                           ParseLlamaConfig(Minimal()));
  EXPECT_EQ(config.num_key_value_heads, 32);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.max_position_embeddings, 2048);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope, RopeConfig());
  EXPECT_EQ(config.rope.theta, 10000.0);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_FALSE(config.attention_bias);
  EXPECT_FALSE(config.mlp_bias);
  EXPECT_EQ(config.dtype, std::nullopt);
  EXPECT_EQ(config.QuerySize(), 4096);
  EXPECT_EQ(config.KeyValueSize(), 4096);
}

TEST(LlamaConfigTest, ReadsEveryField) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const LlamaConfig config,
      ParseLlamaConfig(Minimal(
          R"("num_key_value_heads": 8, "head_dim": 64, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 131072, "rope_theta": 500000.0,
             "tie_word_embeddings": true, "attention_bias": true,
             "mlp_bias": true, "torch_dtype": "bfloat16",
             "something_new": {"kept": [1]})")));
  EXPECT_EQ(config.QuerySize(), 2048);    // 32 * 64
  EXPECT_EQ(config.KeyValueSize(), 512);  // 8 * 64
  EXPECT_EQ(config.rms_norm_eps, 1e-5);
  EXPECT_EQ(config.max_position_embeddings, 131072);
  EXPECT_EQ(config.rope.theta, 500000.0);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_TRUE(config.attention_bias);
  EXPECT_TRUE(config.mlp_bias);
  EXPECT_THAT(config.dtype, Optional(Dtype::kBF16));
  EXPECT_EQ(config.document["something_new"]["kept"][0], 1);
}

TEST(LlamaConfigTest, RopeScalingOfTransformers4) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const LlamaConfig linear,
      ParseLlamaConfig(
          Minimal(R"("rope_scaling": {"type": "linear", "factor": 2.0})")));
  EXPECT_EQ(linear.rope.type, RopeType::kLinear);
  EXPECT_EQ(linear.rope.factor, 2.0);
  MOE_ASSERT_OK_AND_ASSIGN(
      const LlamaConfig dynamic,
      ParseLlamaConfig(
          Minimal(R"("rope_scaling": {"rope_type": "dynamic", "factor": 4})")));
  EXPECT_EQ(dynamic.rope.type, RopeType::kDynamic);
  EXPECT_EQ(dynamic.rope.original_max_position_embeddings, 2048);
  MOE_ASSERT_OK_AND_ASSIGN(
      const LlamaConfig llama3,
      ParseLlamaConfig(Minimal(
          R"("rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3",
             "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
             "original_max_position_embeddings": 8192})")));
  EXPECT_EQ(llama3.rope,
            (RopeConfig{RopeType::kLlama3, 500000.0, 8.0, 1.0, 4.0, 8192}));
  EXPECT_THAT(ParseLlamaConfig(Minimal(R"("rope_scaling": null)")), IsOk());
}

absl::StatusOr<LlamaConfig> ReadConfig(absl::string_view path) {
  const absl::StatusOr<std::string> text =
      base::ReadFile(absl::StrCat("testdata/", path), 10000);
  if (!text.ok()) return text.status();
  return ParseLlamaConfig(*text);
}

// The same models, as the two lines of transformers write them.
TEST(LlamaConfigTest, Transformers5SaysTheSame) {
  for (const auto& [four, five] :
       {std::pair("llama_gqa_bf16/config.json",
                  "configs/llama_transformers5.json"),
        std::pair("llama_mha_f32_sharded/config.json",
                  "configs/llama_transformers5_rope_scaling.json")}) {
    MOE_ASSERT_OK_AND_ASSIGN(const LlamaConfig a, ReadConfig(four));
    MOE_ASSERT_OK_AND_ASSIGN(const LlamaConfig b, ReadConfig(five));
    EXPECT_EQ(a.rope, b.rope);
    EXPECT_EQ(a.hidden_size, b.hidden_size);
    EXPECT_EQ(a.head_dim, b.head_dim);
    EXPECT_EQ(a.num_key_value_heads, b.num_key_value_heads);
    EXPECT_EQ(a.rms_norm_eps, b.rms_norm_eps);
    EXPECT_EQ(a.dtype, b.dtype);
    EXPECT_EQ(a.tie_word_embeddings, b.tie_word_embeddings);
  }
}

TEST(LlamaConfigTest, EveryNeededFieldIsMissedByName) {
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json whole, base::ParseJson(Minimal()));
  for (const char* field :
       {"model_type", "vocab_size", "hidden_size", "intermediate_size",
        "num_hidden_layers", "num_attention_heads"}) {
    base::Json document = whole;
    document.erase(field);
    EXPECT_THAT(
        ParseLlamaConfig(base::FormatJson(document)),
        StatusIs(kInvalid, HasSubstr(absl::StrCat(field, ": expected"))));
    document[field] = nullptr;
    EXPECT_THAT(ParseLlamaConfig(base::FormatJson(document)),
                StatusIs(kInvalid));
  }
}

TEST(LlamaConfigTest, RefusesWhatIsMalformed) {
  const struct {
    const char* more;
    const char* message;
  } kCases[] = {
      {R"("num_key_value_heads": 5)",
       "expected a multiple of num_key_value_heads"},
      {R"("num_key_value_heads": 0)",
       "num_key_value_heads: expected a number from 1"},
      {R"("head_dim": 7)", "expected an even number"},
      {R"("head_dim": -2)", "head_dim: expected a number from 1"},
      {R"("max_position_embeddings": 0)", "max_position_embeddings: expected"},
      {R"("max_position_embeddings": 99999999999)", "99999999999"},
      {R"("rms_norm_eps": 0)",
       "rms_norm_eps: expected a number above 0, found 0"},
      {R"("rms_norm_eps": "1e-5")",
       "rms_norm_eps: expected a number, found \"1e-5\""},
      {R"("rope_theta": -1)",
       "rope_theta: expected a number above 0, found -1"},
      {R"("tie_word_embeddings": 1)", "expected true or false, found 1"},
      {R"("torch_dtype": "int8")", "float32, found \"int8\""},
      {R"("rope_scaling": 8)", "rope_scaling: expected an object, found 8"},
      {R"("rope_scaling": {"type": "linear"})",
       "factor: expected a number, found no such field"},
      {R"("rope_scaling": {"type": "linear", "factor": 0.5})",
       "factor: expected 1 or more, found 0.5"},
      {R"("rope_scaling": {"type": "llama3", "factor": 8})",
       "rope_scaling: low_freq_factor: expected a number, found no such field"},
      {R"("rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4,
          "high_freq_factor": 4, "original_max_position_embeddings": 8})",
       "expected more than low_freq_factor, 4, found 4"},
      {R"("rope_parameters": {"rope_theta": 1}, "rope_scaling": {"factor": 2})",
       "expected one of rope_scaling and rope_parameters"},
      {R"("rope_parameters": {"rope_theta": 0})",
       "rope_parameters: rope_theta: expected a number above 0, found 0"},
  };
  for (const auto& [more, message] : kCases) {
    EXPECT_THAT(ParseLlamaConfig(Minimal(more)),
                StatusIs(kInvalid, HasSubstr(message)))
        << more;
  }
}

// Whether weights are quantized, their tensors tell.
TEST(LlamaConfigTest, QuantizationConfigIsApartFromTheDocument) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const LlamaConfig config,
      ParseLlamaConfig(
          Minimal(R"("quantization_config": {"quant_method": "fp8"})")));
  EXPECT_EQ(config.quantization_config, base::Json({{"quant_method", "fp8"}}));
  EXPECT_FALSE(config.document.contains("quantization_config"));
  MOE_ASSERT_OK_AND_ASSIGN(const LlamaConfig without,
                           ParseLlamaConfig(Minimal()));
  EXPECT_TRUE(without.quantization_config.is_null());
}

TEST(LlamaConfigTest, NamesWhatIsNotSupported) {
  EXPECT_THAT(ParseLlamaConfig(
                  Minimal(R"("rope_scaling": {"type": "yarn", "factor": 2})")),
              StatusIs(kUnimplemented,
                       AllOf(HasSubstr("\"yarn\""), HasSubstr("llama3"))));
  EXPECT_THAT(ParseLlamaConfig(Minimal(R"("hidden_act": "gelu")")),
              StatusIs(kUnimplemented, HasSubstr("gelu")));
  EXPECT_THAT(
      ParseLlamaConfig(absl::StrReplaceAll(Minimal(), {{"llama", "gpt2"}})),
      StatusIs(kUnimplemented, HasSubstr("gpt2")));
  EXPECT_THAT(ParseLlamaConfig(R"({"model_type": "granitemoeshared"})"),
              StatusIs(kUnimplemented, HasSubstr("it was exported from")));
}

}  // namespace
}  // namespace moe::checkpoint
