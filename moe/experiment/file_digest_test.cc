#include "moe/experiment/file_digest.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// `printf abc | sha256sum`.
constexpr char kAbc[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::vector<std::string> NamesOf(const std::vector<FileDigest>& files) {
  std::vector<std::string> names;
  for (const FileDigest& file : files) names.push_back(file.name());
  return names;
}

class FileDigestTest : public ::testing::Test {
 protected:
  Progress progress_{Progress::Style::kSilent, {}};
  TempDirectory directory_;
};

TEST_F(FileDigestTest, SaysNameSizeAndDigest) {
  directory_.Write("a.txt", "abc");
  MOE_ASSERT_OK_AND_ASSIGN(const FileDigest file,
                           DigestFile(directory_.path(), "a.txt"));
  EXPECT_EQ(file.name(), "a.txt");
  EXPECT_EQ(file.bytes(), 3);
  EXPECT_EQ(file.sha256(), kAbc);
  EXPECT_THAT(DigestFile(directory_.path(), "b.txt").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("b.txt")));
}

TEST_F(FileDigestTest, TakesEveryFileOfADirectoryButHiddenOnes) {
  directory_.Write("b", "abc");
  directory_.Write("a", "");
  directory_.Write(".b.partial-1-2", "x");
  directory_.Write("alignment/scale_factors.safetensors", "x");
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<FileDigest> files,
                           DigestDirectory(directory_.path(), progress_));
  EXPECT_THAT(NamesOf(files), ElementsAre("a", "b"));
  // printf 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  // a\n ba78...15ad  b\n' | sha256sum
  EXPECT_EQ(DigestOfFiles(files),
            "bf6e2103d6cbead28abb7d3fec372bc25d03a35b1647e83e090248eb08d0adae");
}

TEST_F(FileDigestTest, TakesWhatBelongsToAModel) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<FileDigest> files,
      DigestModel("testdata/llama_mha_f32_sharded", progress_));
  EXPECT_THAT(
      NamesOf(files),
      ElementsAre("chat_template.jinja", "config.json",
                  "generation_config.json", "model-00001-of-00003.safetensors",
                  "model-00002-of-00003.safetensors",
                  "model-00003-of-00003.safetensors",
                  "model.safetensors.index.json", "special_tokens_map.json",
                  "tokenizer.json", "tokenizer_config.json"));
}

TEST_F(FileDigestTest, TakesChatTemplatesThatHaveNames) {
  std::filesystem::copy("testdata/llama_mha_f32_sharded",
                        directory_.Path("model"));
  directory_.Write("model/additional_chat_templates/rag.jinja", "abc");
  directory_.Write("model/additional_chat_templates/.partial", "x");
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<FileDigest> model,
                           DigestModel(directory_.Path("model"), progress_));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<FileDigest> written,
      DigestDirectory(directory_.Path("model"), progress_));
  for (const std::vector<FileDigest>& files : {model, written}) {
    ASSERT_THAT(files, Not(IsEmpty()));
    EXPECT_EQ(files[0].name(), "additional_chat_templates/rag.jinja");
    EXPECT_EQ(files[0].sha256(), kAbc);
    EXPECT_EQ(files[1].name(), "chat_template.jinja");
  }
}

TEST_F(FileDigestTest, TakesTheFilesOfADataset) {
  directory_.Write("b.jsonl", "abc");
  directory_.Write("a.jsonl", "abc");
  directory_.Write("README.md", "abc");
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<FileDigest> files,
                           DigestData(directory_.path()));
  EXPECT_THAT(NamesOf(files), ElementsAre("a.jsonl", "b.jsonl"));
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<FileDigest> file,
                           DigestData(directory_.Path("b.jsonl")));
  EXPECT_THAT(NamesOf(file), ElementsAre("b.jsonl"));
  EXPECT_EQ(file[0].sha256(), kAbc);
}

TEST_F(FileDigestTest, TellsFilesApart) {
  FileDigest file;
  file.set_name("a");
  file.set_bytes(3);
  file.set_sha256(kAbc);
  EXPECT_TRUE(SameFile(file, file));
  FileDigest other = file;
  other.set_name("b");
  EXPECT_FALSE(SameFile(file, other));
  other = file;
  other.set_bytes(4);
  EXPECT_FALSE(SameFile(file, other));
  other = file;
  other.set_sha256("0");
  EXPECT_FALSE(SameFile(file, other));
}

}  // namespace
}  // namespace moe
