#include "moe/checkpoint/checkpoint.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;
using ::testing::Optional;

TEST(CheckpointTest, OpensEveryFixture) {
  base::Progress silent(base::Progress::Style::kSilent, {});
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

// A copy of a small valid checkpoint, to change.
class ChangedCheckpointTest : public ::testing::Test {
 protected:
  ChangedCheckpointTest() {
    std::filesystem::copy("testdata/malformed/valid", directory_.path(),
                          std::filesystem::copy_options::recursive);
    tensors_ = ReadSafetensorsFile(Weights()).value();
  }

  std::string Weights() const { return directory_.Path("model.safetensors"); }
  void SetConfig(const std::string& field, const base::Json& value) const {
    const std::string path = directory_.Path("config.json");
    base::Json config =
        base::ParseJsonObject(base::ReadFile(path, 1 << 20).value()).value();
    config[field] = value;
    directory_.Write("config.json", base::FormatJson(config));
  }
  absl::StatusOr<Checkpoint> Open() const {
    MOE_EXPECT_OK(
        WriteSafetensorsFile(Weights(), tensors_, {}, /*overwrite=*/true));
    return Checkpoint::Open(directory_.path());
  }

  const TempDirectory directory_;
  HostTensors tensors_;
};

// Exports of the first LLaMA models hold a buffer that follows from the
// configuration. Real checkpoints with it must open.
TEST_F(ChangedCheckpointTest, DerivedBuffersAreIgnored) {
  tensors_["model.layers.0.self_attn.rotary_emb.inv_freq"] = {
      Dtype::kF32, {1}, std::string(4, '\0')};
  // A mask that adds minus infinity.
  tensors_["model.causal_mask"] = {
      Dtype::kF32, {1}, std::string("\x00\x00\x80\xff", 4)};
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  base::Progress silent(base::Progress::Style::kSilent, {});
  EXPECT_THAT(checkpoint.CheckFinite(silent), IsOk());
}

TEST_F(ChangedCheckpointTest, ACopyOfTheTiedEmbeddingIsPassedOver) {
  SetConfig("tie_word_embeddings", true);
  tensors_["lm_head.weight"] = tensors_["model.embed_tokens.weight"];
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_THAT(checkpoint.tensors().Find("lm_head.weight").tensor, IsNull());
  tensors_["lm_head.weight"].bytes[0] ^= 1;
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr(directory_.path()),
                                     HasSubstr("tie_word_embeddings"))));
}

TEST_F(ChangedCheckpointTest, AWrappersPrefixIsTakenOff) {
  const HostTensors tensors = std::move(tensors_);
  for (const std::string wrapper : {"module.", "base_model.model."}) {
    tensors_.clear();
    for (const auto& [name, tensor] : tensors) {
      tensors_[wrapper + name] = tensor;
    }
    ::testing::internal::CaptureStderr();
    const absl::StatusOr<Checkpoint> checkpoint = Open();
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr("\"" + wrapper + "\", which is taken off"));
    MOE_ASSERT_OK(checkpoint.status());
    EXPECT_THAT(checkpoint->tensors().Find("model.norm.weight").tensor,
                NotNull());
    EXPECT_EQ(checkpoint->name_prefix().wrapper, wrapper);
  }
}

TEST_F(ChangedCheckpointTest, NamesWithoutModelAreTaken) {
  const HostTensors tensors = std::move(tensors_);
  tensors_.clear();
  for (const auto& [name, tensor] : tensors) {
    tensors_[std::string(absl::StripPrefix(name, "model."))] = tensor;
  }
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(ChangedCheckpointTest, AQuantizationConfigThatIsLeftOverIsNamed) {
  SetConfig("quantization_config",
            base::Json({{"quant_method", "bitsandbytes"}}));
  ::testing::internal::CaptureStderr();
  const absl::StatusOr<Checkpoint> checkpoint = Open();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("quantization_config (quant_method \"bitsandbytes\")"));
  MOE_ASSERT_OK(checkpoint.status());
  EXPECT_FALSE(DecoderConfig(checkpoint->config())
                   .document.contains("quantization_config"));
  tensors_["model.layers.0.self_attn.q_proj.weight"].dtype = Dtype::kU8;
  HostTensor& packed = tensors_["model.layers.0.self_attn.q_proj.weight"];
  packed.shape = {static_cast<int64_t>(packed.bytes.size())};
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("q_proj.weight"), HasSubstr("U8"))));
}

TEST_F(ChangedCheckpointTest, AnAdapterBesideTheWeightsIsNamed) {
  directory_.Write("adapter_config.json", "{}");
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(Open(), IsOk());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("adapter_config.json"));
}

TEST_F(ChangedCheckpointTest, AGitLfsPointerIsCalledThat) {
  MOE_ASSERT_OK(Open());
  for (const char* name : {"model.safetensors", "config.json"}) {
    directory_.Write(name,
                     "version https://git-lfs.github.com/spec/v1\noid "
                     "sha256:ab\nsize 4943\n");
    EXPECT_THAT(Checkpoint::Open(directory_.path()),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr(directory_.Path(name)),
                               HasSubstr("git lfs pull"))));
  }
}

}  // namespace

namespace {

using ::moe::base::testing::TempDirectory;

std::string DigestOf(const std::string& directory) {
  base::Progress progress(base::Progress::Style::kSilent, {});
  return CheckpointDigest(Checkpoint::Open(directory).value(), progress)
      .value();
}

TEST(CheckpointDigestTest, IsThatOfSha256sum) {
  // In the directory: sha256sum config.json model*.safetensors | sha256sum
  EXPECT_EQ(DigestOf("testdata/llama_gqa_bf16"),
            "1f6ca7feef83ede0ac984d57e12d9e1981d353fb8e29a97e961f5d669a8ac514");
  EXPECT_EQ(DigestOf("testdata/llama_mha_f32_sharded"),
            "dc5967ee002818055001f571cdb490ce1dfa8798e37fb9254ae6955483458e77");
}

TEST(CheckpointDigestTest, EveryByteCounts) {
  const TempDirectory directory;
  const std::string copy = directory.path() + "/copy";
  std::filesystem::copy("testdata/llama_mha_f32_sharded", copy);
  const std::string before = DigestOf(copy);
  EXPECT_EQ(before, DigestOf("testdata/llama_mha_f32_sharded"));
  const std::string path = copy + "/model-00002-of-00003.safetensors";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-1, std::ios::end);
    const char last = static_cast<char>(file.peek() ^ 1);
    file.seekp(-1, std::ios::end);
    file.put(last);
  }
  EXPECT_NE(DigestOf(copy), before);
}

}  // namespace
}  // namespace moe::checkpoint
