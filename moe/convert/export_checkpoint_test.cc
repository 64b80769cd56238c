#include "moe/convert/export_checkpoint.h"

#include <cfenv>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
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
  ExportOptions::Target target;
  std::function<void(checkpoint::MoeConfig&)> change;
  std::string what;
  std::string instead;
};

// With a vanilla checkpoint for Mixtral and a residual one for the others,
// which they hold, and a change that they do not.
TEST(ExportCheckpointTest, RefusesByNameWhatATargetCannotHold) {
  const auto mixtral = ExportOptions::MIXTRAL;
  const auto granite = ExportOptions::GRANITEMOESHARED;
  std::vector<BadCase> cases = {
      {mixtral,
       [](checkpoint::MoeConfig& c) { c.intermediate_size_residual = 5; },
       "mixtral cannot hold a residual expert (intermediate_size_residual 5)",
       "--target=granitemoeshared"},
      {mixtral,
       [](checkpoint::MoeConfig& c) { c.decoder.attention_bias = true; },
       "mixtral cannot hold biases of the attention (attention_bias)",
       "trust_remote_code=True"},
      {granite,
       [](checkpoint::MoeConfig& c) { c.intermediate_size_residual.reset(); },
       "cannot hold a model without a residual expert", "--target=mixtral"},
      {granite, [](checkpoint::MoeConfig& c) { c.decoder.head_dim = 6; },
       "granitemoeshared cannot hold a head_dim of 6", "--target=ernie4_5_moe"},
      {ExportOptions::ERNIE4_5_MOE,
       [](checkpoint::MoeConfig& c) { c.intermediate_size_residual = 5; },
       "ernie4_5_moe cannot hold a residual expert of 5 neurons, which is no "
       "multiple of an expert's (6)",
       "--target=qwen2_moe"},
      {ExportOptions::QWEN2_MOE,
       [](checkpoint::MoeConfig& c) { c.decoder.head_dim = 6; },
       "qwen2_moe cannot hold a head_dim of 6", "--target=ernie4_5_moe"},
      {ExportOptions::QWEN2_MOE,
       [](checkpoint::MoeConfig& c) { c.intermediate_size_residual.reset(); },
       "qwen2_moe cannot hold a model without a residual expert",
       "--target=mixtral or ernie4_5_moe"},
      {ExportOptions::AUTO,
       [](checkpoint::MoeConfig& c) {
         c.decoder.attention_bias = true;
         c.num_moe_contract_layers = 1;
       },
       "no target holds this: mixtral cannot hold a residual expert "
       "(intermediate_size_residual 6); granitemoeshared cannot hold contract "
       "layers (num_moe_contract_layers 1); ernie4_5_moe cannot hold biases of "
       "the attention (attention_bias); qwen2_moe cannot hold biases",
       "trust_remote_code=True"}};
  for (const auto target :
       {ExportOptions::ERNIE4_5_MOE, ExportOptions::QWEN2_MOE}) {
    cases.push_back(
        {target,
         [](checkpoint::MoeConfig& c) { c.decoder.attention_bias = true; },
         " cannot hold biases of the attention (attention_bias)",
         "trust_remote_code=True"});
  }
  for (const auto target : {mixtral, granite}) {
    const std::string name = target == mixtral ? "mixtral" : "granitemoeshared";
    cases.push_back(
        {target,
         [](checkpoint::MoeConfig& c) { c.num_moe_contract_layers = 1; },
         name + " cannot hold contract layers (num_moe_contract_layers 1)",
         "--target=ernie4_5_moe"});
  }
  for (const auto& [target, name] :
       {std::pair<ExportOptions::Target, std::string>{mixtral, "mixtral"},
        {granite, "granitemoeshared"},
        {ExportOptions::ERNIE4_5_MOE, "ernie4_5_moe"},
        {ExportOptions::QWEN2_MOE, "qwen2_moe"},
        {ExportOptions::AUTO, "export"}}) {
    cases.push_back({target,
                     [](checkpoint::MoeConfig& c) {
                       c.use_attn_moe = true;
                       c.attn_experts = 2;
                       c.top_k_attn = 1;
                     },
                     name + " cannot hold attention experts (attn_experts 2)",
                     "from before convert_mixtral_attn_moe"});
    cases.push_back(
        {target, [](checkpoint::MoeConfig& c) { c.add_rescale_bias = true; },
         name + " cannot hold biases of an alignment",
         "--alignment_parts=magnitude"});
    cases.push_back(
        {target, [](checkpoint::MoeConfig& c) { c.decoder.mlp_bias = true; },
         name + " cannot hold biases of the MLP (mlp_bias)",
         "trust_remote_code=True"});
    // Half the least float32, and the first double beyond the largest that is
    // no float32: neither zeros nor infinities are written.
    cases.push_back(
        {target, [](checkpoint::MoeConfig& c) { c.scale_factor = 0x1p-150; },
         "scale_factor: expected a number that float32 holds, "
         "found 7.00649e-46, which is 0;",
         "--scale_factor of 1e-38 or more"});
    cases.push_back({target,
                     [](checkpoint::MoeConfig& c) { c.scale_factor = 0x1p128; },
                     "scale_factor: expected a number that float32 holds, "
                     "found 3.40282e+38, which is inf;",
                     "--scale_factor of 1e38 or less"});
  }
  for (const BadCase& bad : cases) {
    const TempDirectory from, to;
    checkpoint::MoeConfig config;
    if (bad.target != mixtral) config.intermediate_size_residual = 6;
    bad.change(config);
    WriteTinyMoe(config, {}, from.Path("moe"));
    EXPECT_THAT(Export(from.Path("moe"), to.Path("out"), bad.target),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("/moe: "), HasSubstr(bad.what),
                               HasSubstr(bad.instead))));
    EXPECT_THAT(to.List(), IsEmpty()) << bad.what;
  }
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
