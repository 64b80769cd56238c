#include "moe/experiment/experiment_inputs.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/file_digest.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/text_proto.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::HasSubstr;

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

  Progress progress_{Progress::Style::kSilent, {}};
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
                       HasSubstr("is of step \"router\"")));
  EXPECT_THAT(inputs_.ReadStep("router", directory_.Path("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.record")));
}

}  // namespace
}  // namespace moe
