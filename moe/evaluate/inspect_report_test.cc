#include "moe/evaluate/inspect_report.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/inspect.h"

namespace moe::evaluate {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

Inspection InspectPath(const std::string& path) {
  base::Progress progress(base::Progress::Style::kSilent, {});
  return Inspect(path, {}, progress).value();
}

TEST(FormatInspectionTest, ShowsADenseCheckpoint) {
  EXPECT_EQ(
      FormatInspection(InspectPath("testdata/llama_gqa_bf16"), false),
      "testdata/llama_gqa_bf16: dense LLaMA checkpoint (model_type llama)\n"
      "  layers              4\n"
      "  hidden size         128\n"
      "  intermediate size   384\n"
      "  attention           8 heads, 4 key/value heads, head dim 16\n"
      "  vocabulary          512, untied embeddings\n"
      "  positions           512\n"
      "  RoPE                theta 500000, no scaling\n"
      "  RMSNorm epsilon     1e-05\n"
      "  biases              none\n"
      "  parameters          918,656\n"
      "  dtypes              BF16 (39 tensors)\n"
      "  size                1.75 MiB (1,837,312 bytes)\n"
      "tensors: 39\n"
      "  lm_head.weight  BF16 [512, 128]\n"
      "  model.embed_tokens.weight  BF16 [512, 128]\n"
      "  model.norm.weight  BF16 [128]\n"
      "  model.layers.0-3  each 9 tensors, 196,864 parameters, 384 KiB: dense "
      "attention, dense MLP of 384\n"
      "files:\n"
      "  model.safetensors  1.76 MiB, 39 tensors\n"
      "    format: pt\n"
      "  beside them: chat_template.jinja, generation_config.json, "
      "special_tokens_map.json, tokenizer.json, tokenizer_config.json\n");
}

// A name or value from a file makes no line of its own.
TEST(FormatInspectionTest, ControlCharactersAreEscaped) {
  Inspection inspection;
  inspection.path = "pa\nth";
  const std::string bad = "\n\t\x1b[2J\u009b\u202e\xff";
  const std::string escaped = "\\u000a\\u0009\\u001b[2J\\u009b\\u202e\\xff";
  const checkpoint::TensorSpec spec = {"t" + bad, checkpoint::Dtype::kF32, {1}};
  inspection.files = {{"dir/f" + bad, 4, 1, {{"k" + bad, "v" + bad}}}};
  inspection.others = {spec};
  inspection.tensors = {{spec, 0, 0}};
  inspection.groups = {{"g" + bad, 0, 0, {spec}, 1, 4}};
  inspection.companion_files = {"LICENSE" + bad};
  inspection.digests = {{"d" + bad, "0123"}};
  const std::string text = FormatInspection(inspection, true);
  EXPECT_THAT(text, AllOf(HasSubstr("pa\\u000ath: "),
                          HasSubstr("  t" + escaped + "  F32 [1]\n"),
                          HasSubstr("  g" + escaped + "0t" + escaped + "  F32"),
                          HasSubstr("  f" + escaped + "  4 B, 1 tensor\n"),
                          HasSubstr("    k" + escaped + ": v" + escaped + "\n"),
                          HasSubstr("beside them: LICENSE" + escaped + "\n"),
                          HasSubstr("  0123  d" + escaped + "\n"),
                          HasSubstr("\nt" + escaped + "  F32 "),
                          HasSubstr("  f" + escaped + "\n")));
  EXPECT_THAT(text, Not(AnyOf(HasSubstr("\t"), HasSubstr("\x1b"),
                              HasSubstr("\u009b"), HasSubstr("\xff"))));
}

TEST(FormatInspectionTest, ShowsScalingAndShards) {
  EXPECT_THAT(
      FormatInspection(InspectPath("testdata/llama_mha_f32_sharded"), false),
      AllOf(HasSubstr("scaling llama3 with factor "),
            HasSubstr("over 32 positions"), HasSubstr(", tied embeddings"),
            HasSubstr("model-00003-of-00003.safetensors  ")));
}

TEST(FormatInspectionTest, ShowsTheExpertsOfAnMoe) {
  checkpoint::MoeConfig config;
  config.decoder.num_hidden_layers = 4;
  config.decoder.intermediate_size = 384;
  config.num_local_experts = 7;
  config.num_experts_per_tok = 1;
  config.expert_intermediate_size = 48;
  config.intermediate_size_residual = 48;
  config.scale_factor = 4.0;
  config.num_moe_contract_layers = 1;
  config.use_attn_moe = true;
  config.attn_experts = 4;
  config.top_k_attn = 2;
  Inspection found;
  found.config = config;
  found.num_parameters = 2000;
  found.num_active_parameters = 1500;
  const std::vector<checkpoint::TensorSpec> two(2);
  found.groups = {{"model.layers.", 0, 0, two, 1, 1},
                  {"model.layers.", 1, 2, two, 1, 1}};
  EXPECT_THAT(
      FormatInspection(found, false),
      AllOf(HasSubstr("MoE checkpoint"),
            HasSubstr("7 of size 48, 1 for each token, scale factor 4\n"),
            HasSubstr("residual expert     size 48\n"),
            HasSubstr("4, 2 for each token, scale factor 1\n"),
            HasSubstr("1,500 (75.0%)\n"),
            HasSubstr("model.layers.0  2 tensors, 1 parameters, 1 B: dense "
                      "attention, dense MLP of 384\n"),
            HasSubstr("model.layers.1-2  each 2 tensors, 1 parameters, 1 B: 4 "
                      "attention experts, 7 experts of 48, residual expert of "
                      "48\n")));
}

TEST(FormatInspectionTest, ListsTensorsOnRequest) {
  const Inspection found = InspectPath("testdata/llama_gqa_bf16");
  const std::string name = "model.layers.2.mlp.down_proj.weight";
  EXPECT_THAT(FormatInspection(found, false), Not(HasSubstr(name)));
  EXPECT_THAT(FormatInspection(found, true), HasSubstr(name));
}

TEST(InspectionToJsonTest, HoldsTheConfiguration) {
  const base::Json json =
      InspectionToJson(InspectPath("testdata/llama_gqa_bf16"), true);
  EXPECT_EQ(json["model_type"], "llama");
  EXPECT_EQ(json["decoder"]["num_key_value_heads"], 4);
  EXPECT_EQ(json["decoder"]["rope"].dump(),
            R"({"type":"default","theta":500000.0})");
  EXPECT_EQ(json["dtypes"].dump(), R"({"BF16":39})");
  EXPECT_EQ(json["tensors"].size(), 39u);
  EXPECT_FALSE(json.contains("moe"));
  EXPECT_FALSE(json.contains("sha256"));
}

TEST(InspectionToJsonTest, HoldsTheMetadataOfAFile) {
  const base::Json json = InspectionToJson(
      InspectPath("testdata/llama_gqa_bf16/model.safetensors"), false);
  EXPECT_EQ(json["kind"], "safetensors file");
  EXPECT_EQ(json["files"][0]["metadata"].dump(), R"({"format":"pt"})");
  EXPECT_FALSE(json.contains("decoder"));
  EXPECT_FALSE(json.contains("tensors"));
}

}  // namespace
}  // namespace moe::evaluate
