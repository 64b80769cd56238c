#include <cstdint>

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

TEST(ExportErnieTest, HasTheTensorsOfTheDefinition) {
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF16,
        checkpoint::Dtype::kF32}) {
    for (const int64_t residual : {0, 12}) {
      for (const int64_t num_shards : {1, 4}) {
        const TempDirectory directory;
        TinyModel model;
        model.dtype = dtype;
        model.num_shards = num_shards;
        WriteTinyMoe(WithDenseEnds(residual), model, directory.Path("moe"));
        MOE_ASSERT_OK(Export(directory, ExportOptions::ERNIE4_5_MOE).status());
        EXPECT_EQ(ReadTensors(directory.Path("out")),
                  WantedProjections(ReadTensors(directory.Path("moe")),
                                    ExportOptions::ERNIE4_5_MOE));
      }
    }
  }
}

TEST(ExportErnieTest, TheConfigurationIsErniesOwn) {
  const TempDirectory directory;
  WriteTinyMoe(WithDenseEnds(12), {}, directory.Path("moe"));
  MOE_ASSERT_OK(Export(directory, ExportOptions::ERNIE4_5_MOE).status());
  const base::Json document = ExportedConfig(directory);
  EXPECT_EQ(document["architectures"],
            base::Json::array({"Ernie4_5_MoeForCausalLM"}));
  EXPECT_EQ(document["model_type"], "ernie4_5_moe");
  EXPECT_EQ(document["intermediate_size"], 24);
  EXPECT_EQ(document["moe_intermediate_size"], 6);
  EXPECT_EQ(document["moe_num_experts"], 4);
  EXPECT_EQ(document["moe_k"], 2);
  EXPECT_EQ(document["moe_num_shared_experts"], 2);
  EXPECT_EQ(document["moe_layer_start_index"], 1);
  EXPECT_EQ(document["moe_layer_end_index"], 1);
  EXPECT_EQ(document["use_bias"], false);
  EXPECT_TRUE(document["pad_token_id"].is_null());
  for (const char* field : {"auto_map", "scale_factor", "num_local_experts",
                            "num_experts_per_tok", "moe_type"}) {
    EXPECT_FALSE(document.contains(field)) << field;
  }
}

}  // namespace
}  // namespace moe::convert
