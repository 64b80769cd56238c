#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/testing/export_case.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::Export;
using ::moe::convert::testing::ExportedConfig;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::WantedProjections;
using ::moe::convert::testing::WithDenseEnds;
using ::moe::convert::testing::WriteTinyMoe;

TEST(ExportQwen2Test, HasTheTensorsOfTheDefinition) {
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF32}) {
    const TempDirectory directory;
    TinyModel model;
    model.dtype = dtype;
    WriteTinyMoe(WithDenseEnds(5), model, directory.Path("moe"));
    MOE_ASSERT_OK(Export(directory, ExportOptions::QWEN2_MOE).status());
    EXPECT_EQ(ReadTensors(directory.Path("out")),
              WantedProjections(ReadTensors(directory.Path("moe")),
                                ExportOptions::QWEN2_MOE));
  }
}

TEST(ExportQwen2Test, TheConfigurationIsThatOfQwen2) {
  const TempDirectory directory;
  WriteTinyMoe(WithDenseEnds(5), {}, directory.Path("moe"));
  MOE_ASSERT_OK(Export(directory, ExportOptions::QWEN2_MOE).status());
  const base::Json document = ExportedConfig(directory);
  EXPECT_EQ(document["architectures"],
            base::Json::array({"Qwen2MoeForCausalLM"}));
  EXPECT_EQ(document["model_type"], "qwen2_moe");
  EXPECT_EQ(document["intermediate_size"], 24);
  EXPECT_EQ(document["moe_intermediate_size"], 6);
  EXPECT_EQ(document["shared_expert_intermediate_size"], 5);
  EXPECT_EQ(document["num_experts"], 4);
  EXPECT_EQ(document["num_experts_per_tok"], 2);
  EXPECT_EQ(document["norm_topk_prob"], true);
  EXPECT_EQ(document["mlp_only_layers"], base::Json::array({0, 2}));
  EXPECT_EQ(document["qkv_bias"], false);
  EXPECT_FALSE(document.contains("num_local_experts"));
}

}  // namespace
}  // namespace moe::convert
