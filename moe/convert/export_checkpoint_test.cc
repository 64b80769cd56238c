#include "moe/convert/export_checkpoint.h"

#include <cfenv>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/float_environment.h"
#include "moe/base/options/options.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::WriteTinyMoe;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<ExportedCheckpoint> Export(const std::string& from,
                                          const std::string& to,
                                          ExportOptions::Target target) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(from));
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  ExportOptions options;
  options.set_target(target);
  return ExportCheckpoint(checkpoint, options, {to}, {pool, progress});
}

struct BadCase {
  std::function<void(checkpoint::MoeConfig&)> change;
  std::string what;
  std::string instead;
};

// Mixtral gets a vanilla checkpoint, the others one with a residual expert,
// with the change.
void ExpectRefusal(ExportOptions::Target target, const BadCase& bad) {
  SCOPED_TRACE(
      absl::StrCat(ExportOptions::Target_Name(target), ": ", bad.what));
  const TempDirectory from, to;
  checkpoint::MoeConfig config;
  if (target != ExportOptions::MIXTRAL) config.intermediate_size_residual = 6;
  bad.change(config);
  WriteTinyMoe(config, {}, from.Path("moe"));
  EXPECT_THAT(Export(from.Path("moe"), to.Path("out"), target),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("/moe: "), HasSubstr(bad.what),
                             HasSubstr(bad.instead))));
  EXPECT_THAT(to.List(), IsEmpty());
}

TEST(ExportCheckpointTest, RefusesByNameWhatNoTargetCanHold) {
  const BadCase cases[] = {
      {[](checkpoint::MoeConfig& c) {
         c.use_attn_moe = true;
         c.attn_experts = 2;
         c.top_k_attn = 1;
       },
       "no target can hold attention experts (attn_experts 2)",
       "from before convert_mixtral_attn_moe"},
      {[](checkpoint::MoeConfig& c) { c.add_rescale_bias = true; },
       "no target can hold biases of an alignment",
       "--alignment_parts=magnitude"},
      {[](checkpoint::MoeConfig& c) { c.decoder.mlp_bias = true; },
       "no target can hold biases of the MLP (mlp_bias)",
       "trust_remote_code=True"},
      // Half the least float32, and the first double beyond the largest that is
      // no float32: neither zeros nor infinities are written.
      {[](checkpoint::MoeConfig& c) { c.scale_factor = 0x1p-150; },
       "scale_factor: expected a number that float32 holds, "
       "found 7.00649e-46, which is 0;",
       "--scale_factor of 1e-38 or more"},
      {[](checkpoint::MoeConfig& c) { c.scale_factor = 0x1p128; },
       "scale_factor: expected a number that float32 holds, "
       "found 3.40282e+38, which is inf;",
       "--scale_factor of 1e38 or less"}};
  for (const BadCase& bad : cases) {
    for (int target = ExportOptions::Target_MIN;
         target <= ExportOptions::Target_MAX; ++target) {
      ExpectRefusal(static_cast<ExportOptions::Target>(target), bad);
    }
  }
}

void SetAttentionBias(checkpoint::MoeConfig& config) {
  config.decoder.attention_bias = true;
}
void SetContractLayers(checkpoint::MoeConfig& config) {
  config.num_moe_contract_layers = 1;
}
void SetHeadDim(checkpoint::MoeConfig& config) { config.decoder.head_dim = 6; }
void SetResidualOf5(checkpoint::MoeConfig& config) {
  config.intermediate_size_residual = 5;
}
void RemoveResidual(checkpoint::MoeConfig& config) {
  config.intermediate_size_residual.reset();
}

TEST(ExportCheckpointTest, RefusesByNameWhatATargetCannotHold) {
  const std::string bias = " cannot hold biases of the attention";
  const std::string contract =
      " cannot hold contract layers (num_moe_contract_layers 1)";
  const std::string no_residual =
      " cannot hold a model without a residual expert";
  const std::pair<ExportOptions::Target, BadCase> cases[] = {
      {ExportOptions::MIXTRAL,
       {SetResidualOf5,
        "mixtral cannot hold a residual expert (intermediate_size_residual 5)",
        "use --target=granitemoeshared or qwen2_moe"}},
      {ExportOptions::MIXTRAL,
       {SetContractLayers, "mixtral" + contract, "use --target=ernie4_5_moe"}},
      {ExportOptions::MIXTRAL,
       {SetAttentionBias, "mixtral" + bias, "trust_remote_code=True"}},
      {ExportOptions::GRANITEMOESHARED,
       {RemoveResidual, "granitemoeshared" + no_residual,
        "use --target=mixtral or ernie4_5_moe"}},
      {ExportOptions::GRANITEMOESHARED,
       {SetContractLayers, "granitemoeshared" + contract,
        "use --target=ernie4_5_moe or qwen2_moe"}},
      {ExportOptions::GRANITEMOESHARED,
       {SetHeadDim, "granitemoeshared cannot hold a head_dim of 6",
        "use --target=ernie4_5_moe"}},
      {ExportOptions::ERNIE4_5_MOE,
       {SetResidualOf5,
        "ernie4_5_moe cannot hold a residual expert of 5 neurons, which is no "
        "multiple of an expert's (6)",
        "use --target=granitemoeshared or qwen2_moe"}},
      {ExportOptions::ERNIE4_5_MOE,
       {SetAttentionBias, "ernie4_5_moe" + bias,
        "use --target=granitemoeshared"}},
      {ExportOptions::QWEN2_MOE,
       {RemoveResidual, "qwen2_moe" + no_residual,
        "use --target=mixtral or ernie4_5_moe"}},
      {ExportOptions::QWEN2_MOE,
       {SetAttentionBias, "qwen2_moe" + bias, "use --target=granitemoeshared"}},
      {ExportOptions::QWEN2_MOE,
       {SetHeadDim, "qwen2_moe cannot hold a head_dim of 6",
        "use --target=ernie4_5_moe"}}};
  for (const auto& [target, bad] : cases) ExpectRefusal(target, bad);
}

// Nobody is sent to a target that refuses, too.
TEST(ExportCheckpointTest, WhatEachTargetRefusesIsLoadedAsItIs) {
  const auto change = [](checkpoint::MoeConfig& config) {
    SetHeadDim(config);
    SetResidualOf5(config);
  };
  ExpectRefusal(ExportOptions::ERNIE4_5_MOE,
                {change, "ernie4_5_moe cannot hold a residual expert of 5",
                 "; load the checkpoint as it is"});
  ExpectRefusal(
      ExportOptions::AUTO,
      {change,
       "/moe: mixtral cannot hold a residual expert "
       "(intermediate_size_residual 5); granitemoeshared cannot hold a "
       "head_dim of 6, which is not hidden_size / num_attention_heads (16 / "
       "4); "
       "ernie4_5_moe cannot hold a residual expert of 5 neurons, which is no "
       "multiple of an expert's (6); qwen2_moe cannot hold a head_dim of 6",
       "; load the checkpoint as it is"});
}

// Rounded up, half the least float32 were not 0.
TEST(ExportCheckpointTest, ComputesInTheRightModes) {
  const TempDirectory directory;
  checkpoint::MoeConfig config;
  config.scale_factor = 0x1p-150;
  WriteTinyMoe(config, {}, directory.Path("moe"));
  std::fesetround(FE_UPWARD);
  const absl::Status status =
      Export(directory.Path("moe"), directory.Path("out"),
             ExportOptions::MIXTRAL)
          .status();
  base::SetFloatEnvironment();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is 0;")));
}

TEST(ExportCheckpointTest, RefusesADenseCheckpointAndATakenPath) {
  const TempDirectory directory;
  testing::WriteTinyModel({}, directory.Path("dense"));
  EXPECT_THAT(Export(directory.Path("dense"), directory.Path("out"),
                     ExportOptions::MIXTRAL),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/dense: expected what convert_mixtral")));
  WriteTinyMoe({}, {}, directory.Path("moe"));
  EXPECT_THAT(
      Export(directory.Path("moe"), directory.Path("dense"),
             ExportOptions::MIXTRAL),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--overwrite")));
  EXPECT_THAT(directory.List(), ::testing::ElementsAre("dense", "moe"));
}

}  // namespace
}  // namespace moe::convert
