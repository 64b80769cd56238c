#include "moe/experiment/report/lock_section.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/report/testing/small_experiment.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::experiment::testing::SmallExperiment;

LockVerdict Judge(SmallExperiment& experiment,
                  const std::optional<ExperimentLock>& pinned) {
  return JudgeResults(experiment.spec(), pinned, experiment.Lock()).value();
}

TEST(LockToJsonTest, TellsVerifiedEmptyAndNone) {
  SmallExperiment experiment;
  EXPECT_EQ(LockToJson(Judge(experiment, experiment.Lock())).dump(),
            R"({"status":"verified","first_diverged":null,)"
            R"("likely_causes":[],"differences":[]})");
  EXPECT_EQ(LockToJson(Judge(experiment, ExperimentLock()))["status"], "empty");
  EXPECT_EQ(LockToJson(Judge(experiment, std::nullopt))["status"], "none");
}

TEST(LockToJsonTest, TellsWhatDiffers) {
  SmallExperiment experiment;
  ExperimentLock pinned = experiment.Lock();
  pinned.mutable_steps(3)->mutable_files(0)->set_sha256(std::string(64, '0'));
  pinned.mutable_steps(4)->set_arguments(0, "--other");
  pinned.mutable_steps(5)->mutable_inputs(0)->set_sha256("");
  *pinned.add_steps() = pinned.steps(0);
  pinned.mutable_steps(12)->set_name("more");
  const base::Json lock = LockToJson(Judge(experiment, pinned));
  EXPECT_EQ(lock["status"], "differs");
  EXPECT_EQ(lock["first_diverged"], "mlp");
  EXPECT_EQ(lock["likely_causes"].size(), 1u);
  ASSERT_EQ(lock["differences"].size(), 3u);
  EXPECT_EQ(lock["differences"][0]["what"], "mlp: result");
  EXPECT_EQ(lock["differences"][1]["what"], "reference: arguments");
  EXPECT_EQ(lock["differences"][2]["what"], "more");
  EXPECT_EQ(lock["differences"][2]["found"], "nothing");
}

TEST(InputsToJsonTest, ListsFilesOrWhatStepsRead) {
  SmallExperiment experiment;
  ExperimentLock found = experiment.Lock();
  const base::Json inputs = InputsToJson(experiment.spec(), found);
  EXPECT_EQ(inputs["spec"]["sha256"], found.spec_sha256());
  EXPECT_EQ(inputs["model"]["name"], "tiny");
  EXPECT_EQ(inputs["model"]["files"][0]["name"], "config.json");
  EXPECT_EQ(inputs["model"]["files"][0]["bytes"], 10);
  EXPECT_EQ(inputs["data"]["files"][0]["sha256"], std::string(64, 'a'));
  found.clear_model();
  found.clear_data();
  const base::Json unlisted = InputsToJson(experiment.spec(), found);
  EXPECT_EQ(unlisted["model"]["sha256"], inputs["model"]["sha256"]);
  EXPECT_EQ(unlisted["model"]["files"].size(), 0u);
  EXPECT_EQ(unlisted["data"]["sha256"], nullptr);
}

TEST(StepsToJsonTest, HasRecordsAndTimings) {
  SmallExperiment experiment;
  experiment.SetTiming("scores", 1.5);
  const base::Json steps = StepsToJson(Judge(experiment, experiment.Lock()),
                                       experiment.Lock(), experiment.results());
  ASSERT_EQ(steps.size(), 12u);
  EXPECT_EQ(steps[0]["name"], "router");
  EXPECT_EQ(steps[0]["status"], "verified");
  EXPECT_EQ(steps[0]["command"], "hidden_clustering");
  EXPECT_EQ(steps[0]["files"][0]["name"], "result");
  EXPECT_EQ(steps[0]["reports"][0]["name"], "gate_weights.report.json");
  EXPECT_EQ(steps[0]["inputs"][1]["from"], "all");
  EXPECT_EQ(steps[0]["timing"], nullptr);
  EXPECT_EQ(steps[1]["timing"]["wall_seconds"], 1.5);
  EXPECT_EQ(steps[1]["timing"]["cpu_seconds"], 3);
  EXPECT_EQ(steps[1]["timing"]["num_threads"], 2);
  EXPECT_EQ(steps[1]["timing"]["simd_target"], "avx2");
}

class RecordedLockTest : public ::testing::Test {
 protected:
  SmallExperiment experiment_;
  base::Progress progress_{base::Progress::Style::kSilent, {}};
};

TEST_F(RecordedLockTest, TakesTheFilesOfTheLockThatAgrees) {
  ExperimentLock other = experiment_.Lock();
  other.mutable_model(0)->set_sha256(std::string(64, '0'));
  other.mutable_data(0)->set_name("b.jsonl");
  const ExperimentLock whole = experiment_.Lock();
  MOE_ASSERT_OK_AND_ASSIGN(
      const ExperimentLock lock,
      RecordedLock(experiment_.spec(), experiment_.results(), {other, whole},
                   progress_));
  EXPECT_EQ(FormatTextProto(lock), FormatTextProto(whole));
}

TEST_F(RecordedLockTest, ListsNoFilesThatItCannotKnow) {
  ExperimentLock other = experiment_.Lock();
  other.mutable_model(0)->set_sha256(std::string(64, '0'));
  other.mutable_data(0)->set_sha256(std::string(64, '0'));
  MOE_ASSERT_OK_AND_ASSIGN(
      const ExperimentLock lock,
      RecordedLock(experiment_.spec(), experiment_.results(), {other},
                   progress_));
  EXPECT_EQ(lock.model_size(), 0);
  EXPECT_EQ(lock.data_size(), 0);
  EXPECT_EQ(lock.steps_size(), 12);
}

TEST_F(RecordedLockTest, NeedsTheResults) {
  EXPECT_THAT(
      RecordedLock(experiment_.spec(), "no/such", {}, progress_).status(),
      StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace

}  // namespace moe::experiment
