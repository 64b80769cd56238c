#include "moe/checkpoint/checkpoint_digest.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/checkpoint.h"

namespace moe {
namespace {

using ::moe::testing::TempDirectory;

std::string DigestOf(const std::string& directory) {
  Progress progress(Progress::Style::kSilent, {});
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
}  // namespace moe
