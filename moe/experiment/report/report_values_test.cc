#include "moe/experiment/report/report_values.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(NumberToJsonTest, SaysWhatJsonCannot) {
  EXPECT_EQ(NumberToJson(0.1).dump(), "0.1");
  EXPECT_EQ(NumberToJson(kInfinity).dump(), "\"inf\"");
  EXPECT_EQ(NumberToJson(-kInfinity).dump(), "\"-inf\"");
  EXPECT_EQ(NumberToJson(std::nan("")).dump(), "\"nan\"");
}

TEST(NumberOfJsonTest, ReadsItBack) {
  for (const double value : {0.1, -3.0, kInfinity, -kInfinity}) {
    EXPECT_EQ(NumberOfJson(NumberToJson(value)), value);
  }
  EXPECT_TRUE(std::isnan(NumberOfJson(NumberToJson(std::nan("")))));
  EXPECT_TRUE(std::isnan(NumberOfJson(nullptr)));
  EXPECT_EQ(NumberOfJson(base::Json(7)), 7);
}

TEST(FormatNumberTest, KeepsFourDigits) {
  EXPECT_EQ(FormatNumber(0), "0");
  EXPECT_EQ(FormatNumber(1.2776216), "1.278");
  EXPECT_EQ(FormatNumber(0.245), "0.2450");
  EXPECT_EQ(FormatNumber(61.71365), "61.71");
  EXPECT_EQ(FormatNumber(999.94), "999.9");
  EXPECT_EQ(FormatNumber(999.96), "1,000");
  EXPECT_EQ(FormatNumber(22462800.2), "22,462,800");
  EXPECT_EQ(FormatNumber(-2.5), "-2.500");
  EXPECT_EQ(FormatNumber(3.06e-8), "3.1e-08");
  EXPECT_EQ(FormatNumber(3e38), "3e+38");
  EXPECT_EQ(FormatNumber(kInfinity), "infinite");
  EXPECT_EQ(FormatNumber(std::nan("")), "not a number");
}

TEST(StepReportFileTest, IsWhatTheCommandsWrite) {
  EXPECT_EQ(StepReportFile(steps::OutputKind::kGateWeights),
            "gate_weights.report.json");
  EXPECT_EQ(StepReportFile(steps::OutputKind::kEvaluation),
            "evaluation.report.json");
  EXPECT_EQ(StepReportFile(steps::OutputKind::kAlignedCheckpoint),
            "alignment/scale_factors.report.json");
  EXPECT_EQ(StepReportFile(steps::OutputKind::kReconstructedCheckpoint),
            "reconstruction/reconstruction.report.json");
  EXPECT_EQ(StepReportFile(steps::OutputKind::kNarrowCheckpoint),
            "neuron_removal/neuron_removal.report.json");
  EXPECT_EQ(StepReportFile(steps::OutputKind::kCheckpoint), "");
  EXPECT_EQ(StepReportFile(steps::OutputKind::kRouterAndNeurons),
            "gate_weights.report.json");
}

TEST(ReadStepReportTest, ReadsItOrSaysWhy) {
  TempDirectory directory;
  directory.Write("some/distribution.report.json", R"({"a": [1]})");
  MOE_ASSERT_OK_AND_ASSIGN(
      const base::Json report,
      ReadStepReport("some", steps::OutputKind::kDistribution,
                     directory.path()));
  EXPECT_EQ(report["a"][0], 1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const base::Json none,
      ReadStepReport("some", steps::OutputKind::kCheckpoint, directory.path()));
  EXPECT_THAT(none, IsEmpty());
  EXPECT_THAT(
      ReadStepReport("some", steps::OutputKind::kGateWeights, directory.path())
          .status(),
      StatusIs(absl::StatusCode::kNotFound,
               HasSubstr("some/gate_weights.report.json")));
  directory.Write("some/evaluation.report.json", "[");
  EXPECT_THAT(
      ReadStepReport("some", steps::OutputKind::kEvaluation, directory.path())
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("some/evaluation.report.json")));
}

TEST(ObjectsInTest, TakesListsOfObjectsOnly) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<base::Json> objects,
                           ObjectsIn({{"a", {{{"b", 1}}}}}, "a"));
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(objects[0]["b"], 1);
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<base::Json> none,
                           ObjectsIn({{"a", 1}}, "c"));
  EXPECT_THAT(none, IsEmpty());
  for (const char* const wrong : {R"({"a": 1})", R"({"a": [1]})"}) {
    EXPECT_THAT(ObjectsIn(base::Json::parse(wrong), "a").status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("a is not a list of objects")));
  }
}

TEST(CopyFieldsTest, CopiesWhatIsThere) {
  base::Json to = base::Json::object();
  CopyFields(base::Json::parse(R"({"a": 1, "b": 2, "c": null})"),
             {"b", "c", "x"}, to);
  EXPECT_EQ(to.dump(), R"({"b":2})");
}

}  // namespace

}  // namespace moe::experiment
