#include "moe/experiment/report/write_report.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/report/report_page.h"
#include "moe/experiment/report/testing/small_experiment.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::SmallExperiment;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(WriteExperimentReportTest, WritesBothFiles) {
  SmallExperiment experiment;
  const TempDirectory directory;
  const Json report = experiment.Report(std::nullopt);
  const std::string path = directory.Path("a/report");
  ASSERT_THAT(WriteExperimentReport(report, path, false), IsOk());
  MOE_ASSERT_OK_AND_ASSIGN(const std::string json,
                           ReadFile(path + "/report.json", 1 << 20));
  EXPECT_EQ(json, FormatJson(report));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string html,
                           ReadFile(path + "/report.html", 1 << 20));
  EXPECT_EQ(html, FormatReportPage(report));
}

TEST(WriteExperimentReportTest, ReplacesReportsOnly) {
  SmallExperiment experiment;
  TempDirectory directory;
  const Json report = experiment.Report(std::nullopt);
  const std::string path = directory.Path("report");
  ASSERT_THAT(WriteExperimentReport(report, path, false), IsOk());
  EXPECT_THAT(WriteExperimentReport(report, path, false),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(WriteExperimentReport(report, path, true), IsOk());
  directory.Write("thesis/report.json", "{}");
  EXPECT_THAT(WriteExperimentReport(report, directory.Path("thesis"), true),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("expected a report")));
  MOE_ASSERT_OK_AND_ASSIGN(const auto names,
                           ListDirectory(directory.Path("thesis")));
  EXPECT_THAT(names, ElementsAre("report.json"));
}

}  // namespace
}  // namespace moe
