#include "moe/experiment/lock_report.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::string_view kSpec = R"pb(
  name: "chain"
  model: "tiny"
  data: "stories"
  steps {
    name: "mlp"
    convert_mlp {}
  }
  steps {
    name: "after"
    evaluate { checkpoint: "mlp" }
  }
  criteria { metric: "after.perplexity" at_most: 3 }
)pb";

constexpr absl::string_view kLock = R"pb(
  experiment: "chain"
  numerics_contract: 2
  spec_sha256: "1111111111111111111111111111111111111111111111111111111111111111"
  steps {
    name: "mlp"
    command: "convert_mixtral"
    arguments: "--seed=1"
    files {
      name: "model.safetensors"
      bytes: 3
      sha256: "2222222222222222222222222222222222222222222222222222222222222222"
    }
  }
  steps {
    name: "after"
    command: "evaluate"
    metrics { name: "perplexity" number: 2.5 }
  }
)pb";

class LockReportTest : public ::testing::Test {
 protected:
  LockReportTest() {
    EXPECT_THAT(ParseTextProto(kSpec, "spec", spec_), IsOk());
    EXPECT_THAT(ParseTextProto(kLock, "lock", lock_), IsOk());
  }

  LockVerdict Judge(const std::optional<ExperimentLock>& pinned,
                    const ExperimentLock& found) {
    absl::StatusOr<LockVerdict> verdict = JudgeResults(spec_, pinned, found);
    EXPECT_THAT(verdict, IsOk());
    return *verdict;
  }

  ExperimentSpec spec_;
  ExperimentLock lock_;
};

TEST_F(LockReportTest, SaysThatEveryStepIsVerified) {
  const LockVerdict verdict = Judge(lock_, lock_);
  EXPECT_TRUE(verdict.Passed());
  const std::string text = FormatVerdict(spec_, verdict, lock_, "out");
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("mlp                          verified   "
                      "model.safetensors 2222222222222222\n"),
            HasSubstr("after                        verified   perplexity 2.5"),
            HasSubstr("met:     after.perplexity is 2.5"),
            HasSubstr("checkpoint: out/mlp\n"), Not(HasSubstr("DIFFERS"))));
}

TEST_F(LockReportTest, AnAlignedCheckpointIsTheLastOne) {
  ExperimentStep& step = *spec_.add_steps();
  step.set_name("aligned");
  step.mutable_align();
  EXPECT_THAT(FormatVerdict(spec_, Judge(lock_, lock_), lock_, "out"),
              HasSubstr("checkpoint: out/aligned\n"));
}

TEST_F(LockReportTest, AReconstructedCheckpointIsTheLastOne) {
  ExperimentStep& step = *spec_.add_steps();
  step.set_name("refitted");
  step.mutable_reconstruct();
  EXPECT_THAT(FormatVerdict(spec_, Judge(lock_, lock_), lock_, "out"),
              HasSubstr("checkpoint: out/refitted\n"));
}

TEST_F(LockReportTest, ACheckpointWithFewerNeuronsIsTheLastOne) {
  ExperimentStep& step = *spec_.add_steps();
  step.set_name("narrow");
  step.mutable_remove_neurons();
  EXPECT_THAT(FormatVerdict(spec_, Judge(lock_, lock_), lock_, "out"),
              HasSubstr("checkpoint: out/narrow\n"));
}

TEST_F(LockReportTest, SaysWhatDiffersWhereAndWhy) {
  ExperimentLock found = lock_;
  found.mutable_steps(0)->mutable_files(0)->set_bytes(4);
  found.mutable_steps(0)->set_arguments(0, "--seed=2");
  const LockVerdict verdict = Judge(lock_, found);
  EXPECT_FALSE(verdict.Passed());
  EXPECT_THAT(
      FormatVerdict(spec_, verdict, found, "out"),
      AllOf(HasSubstr("mlp                          DIFFERS"),
            HasSubstr("after                        verified"),
            HasSubstr("mlp: model.safetensors\n    pinned: 3 bytes, sha256 2"),
            HasSubstr("The first step that diverged is mlp."),
            HasSubstr("  - mlp has other arguments: --seed=2; pinned is "
                      "--seed=1\n")));
}

// Names of files come from whoever made the results.
TEST_F(LockReportTest, ControlCharactersAreEscaped) {
  ExperimentLock found = lock_;
  found.mutable_steps(0)->mutable_files(0)->set_name("a\n\x1b");
  EXPECT_THAT(FormatVerdict(spec_, Judge(lock_, found), found, "out"),
              AllOf(HasSubstr("DIFFERS    a\\u000a\\u001b 2222"),
                    HasSubstr("mlp: a\\u000a\\u001b\n    pinned: "),
                    Not(HasSubstr("\x1b"))));
}

TEST_F(LockReportTest, FailsWhereACriterionIsNotMet) {
  spec_.mutable_criteria(0)->set_at_most(2.0);
  const LockVerdict verdict = Judge(lock_, lock_);
  EXPECT_FALSE(verdict.Passed());
  EXPECT_THAT(FormatVerdict(spec_, verdict, lock_, "out"),
              HasSubstr("NOT MET: after.perplexity is 2.5"));
}

TEST_F(LockReportTest, AnEmptyLockVerifiesNothing) {
  EXPECT_TRUE(Judge(std::nullopt, lock_).Passed());
  const LockVerdict verdict = Judge(ExperimentLock(), lock_);
  EXPECT_FALSE(verdict.Passed());
  EXPECT_THAT(
      FormatVerdict(spec_, verdict, lock_, "out"),
      AllOf(HasSubstr("nothing is pinned yet"), Not(HasSubstr("verified"))));
}

TEST_F(LockReportTest, ReadsWhatItWroteAndNothingInvalid) {
  const TempDirectory directory;
  const std::string path = directory.Path("a.lock.textproto");
  ASSERT_THAT(WriteLock(lock_, path), IsOk());
  MOE_ASSERT_OK_AND_ASSIGN(const ExperimentLock read, ReadLock(path));
  EXPECT_EQ(FormatTextProto(read), FormatTextProto(lock_));
  directory.Write(
      "a.lock.textproto",
      absl::StrReplaceAll(kLock, {{"sha256: \"22", "sha256: \"2"}}));
  EXPECT_THAT(ReadLock(path).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(path), HasSubstr("64 hexadecimal"))));
}

TEST(SummarizeStepTest, CountsTheFilesOfACheckpoint) {
  StepLock step;
  step.add_files()->set_name("a");
  step.add_files()->set_name("b");
  EXPECT_THAT(SummarizeStep(step), HasSubstr("2 files "));
}

}  // namespace
}  // namespace moe::experiment
