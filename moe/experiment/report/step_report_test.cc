#include "moe/experiment/report/step_report.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/steps/step_kind.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(StepReportFileTest, IsWhatTheCommandsWrite) {
  EXPECT_EQ(StepReportFile(OutputKind::kGateWeights),
            "gate_weights.report.json");
  EXPECT_EQ(StepReportFile(OutputKind::kEvaluation), "evaluation.report.json");
  EXPECT_EQ(StepReportFile(OutputKind::kAlignedCheckpoint),
            "alignment/scale_factors.report.json");
  EXPECT_EQ(StepReportFile(OutputKind::kCheckpoint), "");
}

TEST(ReadStepReportTest, ReadsItOrSaysWhy) {
  TempDirectory directory;
  directory.Write("some/distribution.report.json", R"({"a": [1]})");
  MOE_ASSERT_OK_AND_ASSIGN(
      const Json report,
      ReadStepReport("some", OutputKind::kDistribution, directory.path()));
  EXPECT_EQ(report["a"][0], 1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const Json none,
      ReadStepReport("some", OutputKind::kCheckpoint, directory.path()));
  EXPECT_THAT(none, IsEmpty());
  EXPECT_THAT(ReadStepReport("some", OutputKind::kGateWeights, directory.path())
                  .status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("some/gate_weights.report.json")));
  directory.Write("some/evaluation.report.json", "[");
  EXPECT_THAT(ReadStepReport("some", OutputKind::kEvaluation, directory.path())
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("some/evaluation.report.json")));
}

TEST(ObjectsInTest, TakesListsOfObjectsOnly) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<Json> objects,
                           ObjectsIn({{"a", {{{"b", 1}}}}}, "a"));
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(objects[0]["b"], 1);
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<Json> none,
                           ObjectsIn({{"a", 1}}, "c"));
  EXPECT_THAT(none, IsEmpty());
  for (const char* const wrong : {R"({"a": 1})", R"({"a": [1]})"}) {
    EXPECT_THAT(ObjectsIn(Json::parse(wrong), "a").status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("a is not a list of objects")));
  }
}

TEST(CopyFieldsTest, CopiesWhatIsThere) {
  Json to = Json::object();
  CopyFields(Json::parse(R"({"a": 1, "b": 2, "c": null})"), {"b", "c", "x"},
             to);
  EXPECT_EQ(to.dump(), R"({"b":2})");
}

}  // namespace
}  // namespace moe
