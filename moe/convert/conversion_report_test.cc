#include "moe/convert/conversion_report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/convert/convert_attention.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/export_checkpoint.h"

namespace moe::convert {
namespace {

using ::testing::EndsWith;

checkpoint::MoeConfig Config() {
  checkpoint::MoeConfig config;
  config.decoder.num_hidden_layers = 32;
  config.decoder.num_attention_heads = 32;
  config.num_local_experts = 7;
  config.num_experts_per_tok = 1;
  config.expert_intermediate_size = 1792;
  config.scale_factor = 1.5;
  return config;
}

WrittenCheckpoint Written() { return {2, 1234, 4096, {}}; }

TEST(ConversionReportTest, OfResidualMlps) {
  MlpConversion conversion = {Config(), Written(), /*has_random_routers=*/false,
                              0, 12345};
  conversion.config.intermediate_size_residual = 1000;
  conversion.config.num_moe_contract_layers = 2;
  const ConversionSources sources = {"g.pt", "n.pt", 3};
  EXPECT_EQ(FormatMlpConversion("/out", conversion, sources),
            "/out: residual MoE checkpoint\n"
            "  MLP experts         7 of 1792, top 1, scale factor 1.5\n"
            "  residual expert     of 1000\n"
            "  layers              28 with experts, 4 dense\n"
            "  routers             g.pt\n"
            "  neurons             n.pt, 12,345 shared\n"
            "  tensors             1,234 in 2 files\n"
            "  size                4.00 KiB (4,096 bytes)\n");
  EXPECT_EQ(MlpConversionToJson("/out", conversion, sources),
            base::Json({{"checkpoint", "/out"},
                        {"kind", "residual"},
                        {"num_experts", 7},
                        {"top_k", 1},
                        {"scale_factor", 1.5},
                        {"expert_size", 1792},
                        {"residual_size", 1000},
                        {"num_moe_layers", 28},
                        {"num_contract_layers", 4},
                        {"gate_weights", "g.pt"},
                        {"seed", nullptr},
                        {"neuron_indices", "n.pt"},
                        {"num_unused_neurons", 0},
                        {"num_shared_neurons", 12345},
                        {"num_shards", 2},
                        {"num_tensors", 1234},
                        {"total_size", 4096},
                        {"left_behind", base::Json::array()}}));
}

TEST(ConversionReportTest, SaysWhatWasLeftBehind) {
  MlpConversion conversion = {Config(), Written(), /*has_random_routers=*/true,
                              0, 0};
  conversion.written.left_behind = {{"LICENSE\n\x1b", "it is a link"},
                                    {"NOTICE", "it is no file"}};
  EXPECT_THAT(FormatMlpConversion("/out", conversion, {}),
              EndsWith("  left behind         LICENSE\\u000a\\u001b: it is a "
                       "link\n"
                       "  left behind         NOTICE: it is no file\n"));
  EXPECT_EQ(MlpConversionToJson("/out", conversion, {})["left_behind"][1],
            base::Json({{"name", "NOTICE"}, {"why", "it is no file"}}));
}

TEST(ConversionReportTest, OfVanillaMlps) {
  const MlpConversion conversion = {Config(), Written(),
                                    /*has_random_routers=*/true, 10, 0};
  const ConversionSources sources = {"", "", 3};
  EXPECT_EQ(FormatMlpConversion("/out", conversion, sources),
            "/out: vanilla MoE checkpoint\n"
            "  MLP experts         7 of 1792, top 1, scale factor 1.5\n"
            "  layers              32 with experts\n"
            "  routers             drawn, seed 3\n"
            "  neurons             sequential, 10 unused\n"
            "  tensors             1,234 in 2 files\n"
            "  size                4.00 KiB (4,096 bytes)\n");
  const base::Json json = MlpConversionToJson("/out", conversion, sources);
  EXPECT_EQ(json["seed"], 3);
  EXPECT_TRUE(json["gate_weights"].is_null());
  EXPECT_TRUE(json["neuron_indices"].is_null());
  EXPECT_TRUE(json["residual_size"].is_null());
}

TEST(ConversionReportTest, OfAttention) {
  AttentionConversion conversion = {Config(), Written(),
                                    /*has_random_routers=*/true};
  conversion.config.use_attn_moe = true;
  conversion.config.attn_experts = 8;
  conversion.config.top_k_attn = 7;
  conversion.written.num_shards = 1;
  EXPECT_EQ(FormatAttentionConversion("/out", conversion, {}),
            "/out: MoE checkpoint with attention experts\n"
            "  attention experts   8 of 4 query heads, top 7, scale factor 1\n"
            "  MLP experts         7 of 1792\n"
            "  layers              32 with experts\n"
            "  routers             drawn, seed 0\n"
            "  tensors             1,234 in 1 file\n"
            "  size                4.00 KiB (4,096 bytes)\n");
  EXPECT_EQ(AttentionConversionToJson("/out", conversion, {}),
            base::Json({{"checkpoint", "/out"},
                        {"attn_experts", 8},
                        {"top_k_attn", 7},
                        {"scale_factor_attn", 1.0},
                        {"num_moe_layers", 32},
                        {"num_contract_layers", 0},
                        {"gate_weights", nullptr},
                        {"seed", 0},
                        {"num_shards", 1},
                        {"num_tensors", 1234},
                        {"total_size", 4096},
                        {"left_behind", base::Json::array()}}));
  conversion.config.num_local_experts = 0;
  EXPECT_THAT(FormatAttentionConversion("/out", conversion, {}),
              ::testing::HasSubstr("  MLP experts         none\n"));
}

TEST(ConversionReportTest, OfAnExport) {
  ExportedCheckpoint exported = {Written(), 3.0, "mixtral", {}};
  exported.written.scaled = {1000000, 75};
  EXPECT_EQ(FormatExport("/out", exported),
            "/out: mixtral checkpoint\n"
            "  scale factor        3, now in 1,000,000 weights, 75 of them "
            "rounded\n"
            "  tensors             1,234 in 2 files\n"
            "  size                4.00 KiB (4,096 bytes)\n");
  exported.written.scaled.num_rounded = 0;
  EXPECT_THAT(FormatExport("/out", exported),
              ::testing::HasSubstr("3, now in 1,000,000 weights, exactly\n"));
  EXPECT_EQ(ExportToJson("/out", exported),
            base::Json({{"checkpoint", "/out"},
                        {"target", "mixtral"},
                        {"scale_factor", 3.0},
                        {"num_scaled_weights", 1000000},
                        {"num_rounded_weights", 0},
                        {"num_shards", 2},
                        {"num_tensors", 1234},
                        {"total_size", 4096},
                        {"left_behind", base::Json::array()}}));
  exported = {Written(), 1.0, "ernie4_5_moe", {"mixtral cannot hold it"}};
  EXPECT_THAT(
      FormatExport("/out", exported),
      ::testing::StartsWith("/out: ernie4_5_moe checkpoint\n"
                            "  passed over         mixtral cannot hold it\n"
                            "  scale factor        1\n"));
}

}  // namespace
}  // namespace moe::convert
