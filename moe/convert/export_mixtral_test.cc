
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
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
using ::moe::convert::testing::WriteTinyMoe;
using ::testing::HasSubstr;

// The weights times `factor`, rounded once: a few bits times a few are exact as
// a float.
checkpoint::HostTensor Times(const checkpoint::HostTensor& tensor,
                             float factor) {
  checkpoint::HostTensor product = tensor;
  std::vector<float> values(
      static_cast<size_t>(static_cast<int64_t>(tensor.bytes.size()) /
                          checkpoint::DtypeSize(tensor.dtype)));
  checkpoint::WeightsToFloat(tensor.dtype, tensor.bytes,
                             absl::MakeSpan(values));
  for (float& value : values) value *= factor;
  checkpoint::FloatToWeights(tensor.dtype, values,
                             absl::MakeSpan(product.bytes));
  return product;
}

ExportedCheckpoint Export(const std::string& from, const std::string& to) {
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  ExportOptions options;
  options.set_target(ExportOptions::MIXTRAL);
  return ExportCheckpoint(checkpoint::Checkpoint::Open(from).value(), options,
                          {to}, {pool, progress})
      .value();
}

TEST(ExportMixtralTest, HasTheScaleFactorInW2) {
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF16,
        checkpoint::Dtype::kF32}) {
    for (const double scale : {1.0, 4.0, 3.0, 0.1}) {
      for (const int64_t num_shards : {1, 3}) {
        const TempDirectory directory;
        checkpoint::MoeConfig config;
        config.scale_factor = scale;
        TinyModel model;
        model.dtype = dtype;
        model.num_shards = num_shards;
        model.head_dim = 6;
        WriteTinyMoe(config, model, directory.Path("moe"));
        const ExportedCheckpoint exported =
            Export(directory.Path("moe"), directory.Path("mixtral"));
        checkpoint::HostTensors want = ReadTensors(directory.Path("moe"));
        int64_t num_scaled = 0;
        for (auto& [name, tensor] : want) {
          if (!absl::StrContains(name, ".w2.")) continue;
          tensor = Times(tensor, static_cast<float>(scale));
          num_scaled += 6 * 16;  // [hidden_size, expert size]
        }
        EXPECT_EQ(ReadTensors(directory.Path("mixtral")), want);
        const ScaledCounts& scaled = exported.written.scaled;
        EXPECT_EQ(exported.scale_factor, scale);
        EXPECT_EQ(scaled.num_scaled, scale == 1.0 ? 0 : num_scaled);
        if (scale == 0.1) {  // No float32.
          EXPECT_EQ(scaled.num_rounded, num_scaled);
        } else if (scale == 3.0) {
          EXPECT_GT(scaled.num_rounded, 0);
        } else {
          EXPECT_EQ(scaled.num_rounded, 0);
        }
        EXPECT_EQ(exported.written.num_shards, num_shards);
      }
    }
  }
}

TEST(ExportMixtralTest, TheConfigurationIsMixtralsOwn) {
  const TempDirectory directory;
  checkpoint::MoeConfig config;
  config.scale_factor = 4.0;
  WriteTinyMoe(config, {}, directory.Path("moe"));
  Export(directory.Path("moe"), directory.Path("mixtral"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string text,
      base::ReadFile(directory.Path("mixtral/config.json"), 1 << 20));
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json document,
                           base::ParseJsonObject(text));
  EXPECT_EQ(document["architectures"],
            base::Json::array({"MixtralForCausalLM"}));
  EXPECT_EQ(document["model_type"], "mixtral");
  EXPECT_EQ(document["num_local_experts"], 4);
  EXPECT_EQ(document["num_experts_per_tok"], 2);
  EXPECT_EQ(document["intermediate_size"], 6);
  EXPECT_EQ(document["rope_theta"], 500000.0);
  EXPECT_EQ(document["head_dim"], 4);
  EXPECT_TRUE(document["sliding_window"].is_null());
  for (const char* field :
       {"auto_map", "scale_factor", "moe_type", "dense_intermediate_size",
        "use_attn_moe", "add_rescale_bias", "num_moe_contract_layers",
        "mlp_bias", "attention_bias"}) {
    EXPECT_FALSE(document.contains(field)) << field;
  }
  // No code, but the tokenizer.
  EXPECT_TRUE(base::PathExists(directory.Path("mixtral/tokenizer.json")));
  EXPECT_FALSE(
      base::PathExists(directory.Path("mixtral/modeling_llama_moe.py")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint opened,
      checkpoint::Checkpoint::Open(directory.Path("mixtral")));
  ASSERT_NE(opened.moe_config(), nullptr);
  EXPECT_TRUE(checkpoint::IsPlainMixtral(*opened.moe_config()));
  EXPECT_EQ(checkpoint::FormatMoeConfig(*opened.moe_config()), text);
}

}  // namespace
}  // namespace moe::convert
