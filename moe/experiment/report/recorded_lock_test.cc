#include "moe/experiment/report/recorded_lock.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/report/testing/small_experiment.h"
#include "moe/experiment/text_proto.h"

namespace moe {
namespace {

using ::moe::testing::SmallExperiment;
using ::moe::testing::StatusIs;

class RecordedLockTest : public ::testing::Test {
 protected:
  SmallExperiment experiment_;
  Progress progress_{Progress::Style::kSilent, {}};
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
  EXPECT_EQ(lock.steps_size(), 9);
}

TEST_F(RecordedLockTest, NeedsTheResults) {
  EXPECT_THAT(
      RecordedLock(experiment_.spec(), "no/such", {}, progress_).status(),
      StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace moe
