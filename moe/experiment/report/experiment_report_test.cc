#include "moe/experiment/report/experiment_report.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/report/testing/small_experiment.h"
#include "moe/experiment/text_proto.h"
#include "moe/kernels/numerics_contract.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::SmallExperiment;

TEST(ExperimentReportTest, HasEverySection) {
  SmallExperiment experiment;
  const Json report = experiment.Report(experiment.Lock());
  EXPECT_EQ(report["report"], "experiment");
  EXPECT_EQ(report["experiment"], "small");
  EXPECT_EQ(report["description"], "Two experts.");
  EXPECT_EQ(report["passed"], true);
  EXPECT_EQ(report["lock"]["status"], "verified");
  EXPECT_EQ(report["criteria"][0]["met"], true);
  EXPECT_EQ(report["evaluations"].size(), 3u);
  EXPECT_EQ(report["expert_load"].size(), 4u);
  EXPECT_EQ(report["routers"].size(), 1u);
  EXPECT_EQ(report["neuron_splits"].size(), 1u);
  EXPECT_EQ(report["alignments"].size(), 1u);
  EXPECT_EQ(report["steps"].size(), 9u);
  EXPECT_EQ(report["reproduce"]["version"], "1.2.3");
  EXPECT_EQ(report["reproduce"]["numerics_contract"], kNumericsContractVersion);
}

TEST(ExperimentReportTest, HoldsTheWholeSpec) {
  SmallExperiment experiment;
  const Json report = experiment.Report(std::nullopt);
  ExperimentSpec spec;
  ASSERT_THAT(ParseTextProto(report["reproduce"]["spec"].get<std::string>(),
                             "spec", spec),
              IsOk());
  EXPECT_EQ(SpecDigest(spec), SpecDigest(experiment.spec()));
}

TEST(ExperimentReportTest, DoesNotPassWithoutTheLockOrTheCriteria) {
  SmallExperiment experiment;
  const ExperimentLock pinned = experiment.Lock();
  EXPECT_EQ(experiment.Report(std::nullopt)["passed"], true);
  EXPECT_EQ(experiment.Report(ExperimentLock())["passed"], false);
  experiment.SetEvaluation("cut", 3, 9);
  const Json report = experiment.Report(pinned);
  EXPECT_EQ(report["passed"], false);
  EXPECT_EQ(report["lock"]["status"], "differs");
  EXPECT_EQ(report["criteria"][0]["met"], false);
}

}  // namespace
}  // namespace moe
