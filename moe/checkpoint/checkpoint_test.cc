#include "moe/checkpoint/checkpoint.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;
using ::testing::Optional;

TEST(CheckpointTest, OpensEveryFixture) {
  Progress silent(Progress::Style::kSilent, {});
  for (const char* name :
       {"llama_gqa_bf16", "llama_mha_f32_sharded", "llama_headdim_f16"}) {
    MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint,
                             Checkpoint::Open(std::string("testdata/") + name));
    EXPECT_THAT(checkpoint.dense_config(), NotNull());
    EXPECT_THAT(checkpoint.moe_config(), IsNull());
    EXPECT_THAT(checkpoint.CheckFinite(silent), IsOk());
  }
}

TEST(CheckpointTest, ConfigAndCompanionsOfAFixture) {
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint,
                           Checkpoint::Open("testdata/llama_headdim_f16"));
  const LlamaConfig& config = DecoderConfig(checkpoint.config());
  EXPECT_EQ(config.hidden_size, 96);
  EXPECT_EQ(config.head_dim, 24);
  EXPECT_EQ(config.intermediate_size, 104);
  EXPECT_THAT(config.dtype, Optional(Dtype::kF16));
  EXPECT_THAT(
      checkpoint.CompanionFiles(),
      IsOkAndHolds(ElementsAre("chat_template.jinja", "generation_config.json",
                               "special_tokens_map.json", "tokenizer.json",
                               "tokenizer_config.json")));
}

TEST(CheckpointTest, AMissingDirectoryIsNotFound) {
  EXPECT_THAT(Checkpoint::Open("testdata/absent"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("testdata/absent does not exist"),
                             HasSubstr("config.json"))));
}

// Exports of the first LLaMA models hold a buffer that follows from the
// configuration. Real checkpoints with it must open.
TEST(CheckpointTest, DerivedBuffersAreIgnored) {
  const TempDirectory directory;
  std::filesystem::copy("testdata/malformed/valid", directory.path(),
                        std::filesystem::copy_options::recursive);
  const std::string path = directory.Path("model.safetensors");
  MOE_ASSERT_OK_AND_ASSIGN(HostTensors tensors, ReadSafetensorsFile(path));
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {
      Dtype::kF32, {1}, std::string(4, '\0')};
  MOE_ASSERT_OK(WriteSafetensorsFile(path, tensors, {}, /*overwrite=*/true));
  EXPECT_THAT(Checkpoint::Open(directory.path()), IsOk());
}

}  // namespace
}  // namespace moe
