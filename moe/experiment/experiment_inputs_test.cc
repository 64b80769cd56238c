#include "moe/experiment/experiment_inputs.h"

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
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
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
  base::Progress progress_{base::Progress::Style::kSilent, {}};
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

class ExperimentInputsTest : public ::testing::Test {
 protected:
  static StepRecord RecordOf(const std::string& name) {
    StepRecord record;
    record.mutable_step()->set_name(name);
    FileDigest& file = *record.mutable_step()->add_files();
    file.set_name("gate_weights.safetensors");
    file.set_sha256("12");
    return record;
  }

  base::Progress progress_{base::Progress::Style::kSilent, {}};
  TempDirectory directory_;
  ExperimentInputs inputs_{{"testdata/llama_gqa_bf16", directory_.Path("data")},
                           progress_};
};

TEST_F(ExperimentInputsTest, FindsModelDataAndSteps) {
  directory_.Write("data/a.jsonl", "{}");
  inputs_.AddStep("made/router", RecordOf("router"));
  EXPECT_THAT(inputs_.PathOf({"model_path", InputSource::kModel, "tiny", ""}),
              IsOkAndHolds(std::string("testdata/llama_gqa_bf16")));
  EXPECT_THAT(inputs_.PathOf({"d", InputSource::kData, "all", ""}),
              IsOkAndHolds(directory_.Path("data")));
  EXPECT_THAT(inputs_.PathOf({"d", InputSource::kData, "one", "a.jsonl"}),
              IsOkAndHolds(directory_.Path("data/a.jsonl")));
  EXPECT_THAT(
      inputs_.PathOf({"g", InputSource::kStep, "router", "g.safetensors"}),
      IsOkAndHolds(std::string("made/router/g.safetensors")));
  EXPECT_THAT(inputs_.PathOf({"g", InputSource::kStep, "router", ""}),
              IsOkAndHolds(std::string("made/router")));
}

TEST_F(ExperimentInputsTest, SaysWhatIsMissing) {
  EXPECT_THAT(inputs_.PathOf({"g", InputSource::kStep, "router", ""}).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"router\"")));
  EXPECT_THAT(
      inputs_.DigestOf({"d", InputSource::kData, "one", "b.jsonl"}).status(),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("data/b.jsonl")));
}

TEST_F(ExperimentInputsTest, DigestsFollowBytes) {
  directory_.Write("data/a.jsonl", "{}");
  directory_.Write("data/b.jsonl", "{}");
  MOE_ASSERT_OK_AND_ASSIGN(const std::string all,
                           inputs_.DigestOf({"d", InputSource::kData, "", ""}));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string one,
      inputs_.DigestOf({"d", InputSource::kData, "", "a.jsonl"}));
  EXPECT_NE(all, one);
  inputs_.AddStep("made/router", RecordOf("router"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string step,
      inputs_.DigestOf({"g", InputSource::kStep, "router", ""}));
  EXPECT_EQ(step, DigestOfFiles({RecordOf("router").step().files(0)}));
  directory_.Write("data/a.jsonl", "{ }");
  ExperimentInputs changed({"", directory_.Path("data")}, progress_);
  EXPECT_NE(changed.DigestOf({"d", InputSource::kData, "", "a.jsonl"}).value(),
            one);
}

TEST_F(ExperimentInputsTest, ListsEachFileOfTheDataOnce) {
  directory_.Write("data/a.jsonl", "{}");
  directory_.Write("data/b.jsonl", "{}");
  ExperimentSpec spec;
  spec.add_datasets()->set_file("b.jsonl");
  MOE_ASSERT_OK_AND_ASSIGN(std::vector<FileDigest> files, inputs_.Data(spec));
  ASSERT_EQ(files.size(), 1);
  EXPECT_EQ(files[0].name(), "b.jsonl");
  spec.add_datasets();
  MOE_ASSERT_OK_AND_ASSIGN(files, inputs_.Data(spec));
  ASSERT_EQ(files.size(), 2);
  EXPECT_EQ(files[0].name(), "a.jsonl");
}

TEST_F(ExperimentInputsTest, ReadsRecordsOfEarlierSteps) {
  const std::string step = directory_.Path("router");
  EXPECT_EQ(RecordPath(step), step + ".record.textproto");
  ASSERT_THAT(WriteTextProto(RecordOf("router"), "", RecordPath(step)), IsOk());
  EXPECT_THAT(inputs_.ReadStep("router", step), IsOk());
  EXPECT_THAT(inputs_.ReadStep("scores", step),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("found that of \"router\"")));
  EXPECT_THAT(inputs_.ReadStep("router", directory_.Path("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.record")));
}

}  // namespace

}  // namespace moe::experiment
