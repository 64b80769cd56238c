
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/export_checkpoint.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::Twice;
using ::moe::convert::testing::WriteTinyMoe;
using ::testing::AllOf;
using ::testing::HasSubstr;

checkpoint::MoeConfig Residual() {
  checkpoint::MoeConfig config;
  config.intermediate_size_residual = 5;
  config.scale_factor = 2.0;
  return config;
}

absl::StatusOr<ExportedCheckpoint> Export(const std::string& from,
                                          const std::string& to) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(from));
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  ExportOptions options;
  options.set_target(ExportOptions::GRANITEMOESHARED);
  return ExportCheckpoint(checkpoint, options, {to}, {pool, progress});
}

// The tensors of the definition: 4 experts of 6 in a hidden size of 16.
checkpoint::HostTensors Wanted(const checkpoint::HostTensors& moe,
                               int64_t num_layers) {
  checkpoint::HostTensors want;
  for (const auto& [name, tensor] : moe) {
    if (!absl::StrContains(name, "moe") &&
        !absl::StrContains(name, "residual")) {
      want[name] = tensor;
    }
  }
  for (int64_t i = 0; i < num_layers; ++i) {
    const std::string layer = absl::StrCat("model.layers.", i, ".");
    const auto at = [&](const std::string& name) {
      return moe.at(absl::StrCat(layer, name, ".weight"));
    };
    const checkpoint::Dtype dtype = at("mlp_residual.w1").dtype;
    checkpoint::HostTensor input = {dtype, {4, 12, 16}, ""};
    checkpoint::HostTensor output = {dtype, {4, 16, 6}, ""};
    for (int e = 0; e < 4; ++e) {
      const std::string expert =
          absl::StrCat("block_sparse_moe.experts.", e, ".");
      input.bytes += at(expert + "w1").bytes + at(expert + "w3").bytes;
      output.bytes += Twice(at(expert + "w2")).bytes;
    }
    want[layer + "block_sparse_moe.input_linear.weight"] = input;
    want[layer + "block_sparse_moe.output_linear.weight"] = output;
    want[layer + "block_sparse_moe.router.layer.weight"] =
        at("block_sparse_moe.gate");
    want[layer + "shared_mlp.input_linear.weight"] = {
        dtype,
        {10, 16},
        at("mlp_residual.w1").bytes + at("mlp_residual.w3").bytes};
    want[layer + "shared_mlp.output_linear.weight"] = at("mlp_residual.w2");
  }
  return want;
}

TEST(ExportGraniteTest, FusesTheExperts) {
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF16,
        checkpoint::Dtype::kF32}) {
    for (const int64_t num_shards : {1, 4}) {
      for (const bool attention_bias : {false, true}) {
        const TempDirectory directory;
        checkpoint::MoeConfig config = Residual();
        config.decoder.attention_bias = attention_bias;
        TinyModel model;
        model.dtype = dtype;
        model.num_shards = num_shards;
        WriteTinyMoe(config, model, directory.Path("moe"));
        MOE_ASSERT_OK_AND_ASSIGN(
            const ExportedCheckpoint exported,
            Export(directory.Path("moe"), directory.Path("granite")));
        EXPECT_EQ(ReadTensors(directory.Path("granite")),
                  Wanted(ReadTensors(directory.Path("moe")), model.num_layers));
        EXPECT_EQ(exported.written.scaled.num_scaled, 3 * 4 * 16 * 6);
        EXPECT_EQ(exported.written.scaled.num_rounded, 0);
      }
    }
  }
}

// A fused tensor is in the shard of its first part.
TEST(ExportGraniteTest, KeepsTheShards) {
  const TempDirectory directory;
  TinyModel model;
  model.num_shards = 4;
  WriteTinyMoe(Residual(), model, directory.Path("moe"));
  MOE_ASSERT_OK(
      Export(directory.Path("moe"), directory.Path("granite")).status());
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::ShardedTensors before,
      checkpoint::ShardedTensors::Open(directory.Path("moe")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::ShardedTensors after,
      checkpoint::ShardedTensors::Open(directory.Path("granite")));
  const auto& old_map = before.index()->weight_map;
  const auto& new_map = after.index()->weight_map;
  EXPECT_EQ(new_map.at("model.layers.1.block_sparse_moe.input_linear.weight"),
            old_map.at("model.layers.1.block_sparse_moe.experts.0.w1.weight"));
  EXPECT_EQ(new_map.at("model.layers.1.block_sparse_moe.output_linear.weight"),
            old_map.at("model.layers.1.block_sparse_moe.experts.0.w2.weight"));
  EXPECT_EQ(new_map.at("model.layers.1.shared_mlp.input_linear.weight"),
            old_map.at("model.layers.1.mlp_residual.w1.weight"));
}

TEST(ExportGraniteTest, TheConfigurationIsGranitesOwn) {
  const TempDirectory directory;
  WriteTinyMoe(Residual(), {}, directory.Path("moe"));
  MOE_ASSERT_OK(
      Export(directory.Path("moe"), directory.Path("granite")).status());
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string text,
      base::ReadFile(directory.Path("granite/config.json"), 1 << 20));
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json document,
                           base::ParseJsonObject(text));
  EXPECT_EQ(document["architectures"],
            base::Json::array({"GraniteMoeSharedForCausalLM"}));
  EXPECT_EQ(document["model_type"], "granitemoeshared");
  EXPECT_EQ(document["intermediate_size"], 6);
  EXPECT_EQ(document["shared_intermediate_size"], 5);
  EXPECT_EQ(document["attention_multiplier"], 0.5);  // 1 / sqrt(4)
  EXPECT_EQ(document["embedding_multiplier"], 1.0);
  EXPECT_EQ(document["residual_multiplier"], 1.0);
  EXPECT_EQ(document["logits_scaling"], 1.0);
  EXPECT_EQ(document["attention_bias"], false);
  for (const char* field :
       {"auto_map", "scale_factor", "intermediate_size_residual", "moe_type",
        "sliding_window", "mlp_bias"}) {
    EXPECT_FALSE(document.contains(field)) << field;
  }
}

TEST(ExportGraniteTest, RefusesPartsOfDifferentTypes) {
  const TempDirectory directory;
  WriteTinyMoe(Residual(), {}, directory.Path("moe"));
  checkpoint::HostTensors tensors = ReadTensors(directory.Path("moe"));
  checkpoint::HostTensor& part =
      tensors.at("model.layers.2.block_sparse_moe.experts.3.w3.weight");
  part = {checkpoint::Dtype::kF16, part.shape, part.bytes};
  MOE_ASSERT_OK(
      checkpoint::WriteSafetensorsFile(directory.Path("moe/model.safetensors"),
                                       tensors, {}, /*overwrite=*/true));
  EXPECT_THAT(Export(directory.Path("moe"), directory.Path("granite")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("experts.3.w3.weight\" is F16"),
                             HasSubstr("input_linear.weight\", of one type; "
                                       "use --target=ernie4_5_moe"))));
  EXPECT_THAT(directory.List(), ::testing::ElementsAre("moe"));
}

}  // namespace
}  // namespace moe::convert
