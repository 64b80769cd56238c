#include "moe/convert/export_target.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
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
#include "moe/checkpoint/tensor.h"
#include "moe/convert/export_checkpoint.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::Select;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::Twice;
using ::moe::convert::testing::WriteTinyMoe;

// Layer 1 of 3 has 4 experts of 6 and a residual one; the others are dense.
checkpoint::MoeConfig WithDenseEnds(int64_t residual) {
  checkpoint::MoeConfig config;
  if (residual > 0) config.intermediate_size_residual = residual;
  config.scale_factor = 2.0;
  config.num_moe_contract_layers = 1;
  return config;
}

checkpoint::HostTensor Zeros(checkpoint::Dtype dtype, checkpoint::Shape shape) {
  const int64_t num_bytes = shape[0] * shape[1] * checkpoint::DtypeSize(dtype);
  return {dtype, shape, std::string(static_cast<size_t>(num_bytes), '\0')};
}

// Rows of heads of 4 in the order in which ERNIE rotates them.
checkpoint::HostTensor Neighbours(const checkpoint::HostTensor& from) {
  std::vector<int64_t> rows;
  for (int64_t head = 0; head < from.shape[0]; head += 4) {
    for (const int64_t row : {0, 2, 1, 3}) rows.push_back(head + row);
  }
  return Select(from, 0, rows);
}

// The tensors of the definition, by the names of Qwen2 and ERNIE.
checkpoint::HostTensors Wanted(const checkpoint::HostTensors& moe,
                               bool is_ernie) {
  checkpoint::HostTensors want;
  for (const auto& [name, tensor] : moe) {
    const std::string new_name = absl::StrReplaceAll(
        name, {{"block_sparse_moe.", "mlp."},
               {"mlp_residual.",
                is_ernie ? "mlp.shared_experts." : "mlp.shared_expert."},
               {"w1.weight", "gate_proj.weight"},
               {"w3.weight", "up_proj.weight"},
               {"w2.weight", "down_proj.weight"}});
    const bool is_down = absl::StrContains(name, "w2.weight");
    const bool is_doubled =
        is_down && (absl::StrContains(name, ".experts.") ||
                    (!is_ernie && absl::StrContains(name, "residual")));
    const bool is_rotated =
        absl::StrContains(name, "q_proj") || absl::StrContains(name, "k_proj");
    want[new_name] = is_doubled               ? Twice(tensor)
                     : is_ernie && is_rotated ? Neighbours(tensor)
                                              : tensor;
  }
  const std::string mlp = "model.layers.1.mlp.";
  if (is_ernie) {
    want[mlp + "moe_statics.e_score_correction_bias"] =
        Zeros(checkpoint::Dtype::kF32, {1, 4});
  } else {
    want[mlp + "shared_expert_gate.weight"] =
        Zeros(want.at(mlp + "gate.weight").dtype, {1, 16});
  }
  return want;
}

absl::StatusOr<ExportedCheckpoint> Export(const TempDirectory& directory,
                                          ExportOptions::Target target) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint from,
                       checkpoint::Checkpoint::Open(directory.Path("moe")));
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  ExportOptions options;
  options.set_target(target);
  return ExportCheckpoint(from, options, {directory.Path("out")},
                          {pool, progress});
}

base::Json ConfigOf(const TempDirectory& directory) {
  const absl::StatusOr<std::string> text =
      base::ReadFile(directory.Path("out/config.json"), 1 << 20);
  MOE_EXPECT_OK(text.status());
  return *base::ParseJsonObject(*text);
}

TEST(ExportTargetTest, ErnieHasTheTensorsOfTheDefinition) {
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
                  Wanted(ReadTensors(directory.Path("moe")), true));
      }
    }
  }
}

TEST(ExportTargetTest, Qwen2HasTheTensorsOfTheDefinition) {
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF32}) {
    const TempDirectory directory;
    TinyModel model;
    model.dtype = dtype;
    WriteTinyMoe(WithDenseEnds(5), model, directory.Path("moe"));
    MOE_ASSERT_OK(Export(directory, ExportOptions::QWEN2_MOE).status());
    EXPECT_EQ(ReadTensors(directory.Path("out")),
              Wanted(ReadTensors(directory.Path("moe")), false));
  }
}

TEST(ExportTargetTest, TheConfigurationIsErniesOwn) {
  const TempDirectory directory;
  WriteTinyMoe(WithDenseEnds(12), {}, directory.Path("moe"));
  MOE_ASSERT_OK(Export(directory, ExportOptions::ERNIE4_5_MOE).status());
  const base::Json document = ConfigOf(directory);
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

TEST(ExportTargetTest, TheConfigurationIsQwens2Own) {
  const TempDirectory directory;
  WriteTinyMoe(WithDenseEnds(5), {}, directory.Path("moe"));
  MOE_ASSERT_OK(Export(directory, ExportOptions::QWEN2_MOE).status());
  const base::Json document = ConfigOf(directory);
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

struct AutoCase {
  int64_t residual;
  int64_t num_contract_layers;
  std::string target;
  size_t num_refusals;
};

TEST(ExportTargetTest, AutoTakesTheFirstThatHoldsIt) {
  const AutoCase cases[] = {{0, 0, "mixtral", 0},
                            {5, 0, "granitemoeshared", 1},
                            {0, 1, "ernie4_5_moe", 2},
                            {12, 1, "ernie4_5_moe", 2},
                            {5, 1, "qwen2_moe", 3}};
  for (const AutoCase& c : cases) {
    const TempDirectory directory;
    checkpoint::MoeConfig config = WithDenseEnds(c.residual);
    config.num_moe_contract_layers = c.num_contract_layers;
    WriteTinyMoe(config, {}, directory.Path("moe"));
    MOE_ASSERT_OK_AND_ASSIGN(const ExportedCheckpoint exported,
                             Export(directory, ExportOptions::AUTO));
    EXPECT_EQ(exported.target, c.target);
    EXPECT_THAT(exported.refusals,
                ::testing::AllOf(::testing::SizeIs(c.num_refusals),
                                 ::testing::Each(::testing::ContainsRegex(
                                     "^[a-z0-9_]+ cannot hold [^;]+$"))));
  }
}

}  // namespace
}  // namespace moe::convert
