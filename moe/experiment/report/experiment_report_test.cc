#include "moe/experiment/report/experiment_report.h"

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/report/testing/small_experiment.h"
#include "moe/experiment/text_proto.h"
#include "moe/kernels/numerics_contract.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::experiment::testing::SmallExperiment;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ExperimentReportTest, HasEverySection) {
  SmallExperiment experiment;
  const base::Json report = experiment.Report(experiment.Lock());
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
  EXPECT_EQ(report["energy_splits"].size(), 1u);
  EXPECT_EQ(report["rate_splits"].size(), 1u);
  EXPECT_EQ(report["alignments"].size(), 1u);
  EXPECT_EQ(report["reconstructions"].size(), 1u);
  EXPECT_EQ(report["steps"].size(), 12u);
  EXPECT_EQ(report["reproduce"]["version"], "1.2.3");
  EXPECT_EQ(report["reproduce"]["numerics_contract"],
            kernels::kNumericsContractVersion);
}

TEST(ExperimentReportTest, HoldsTheWholeSpec) {
  SmallExperiment experiment;
  const base::Json report = experiment.Report(std::nullopt);
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
  const base::Json report = experiment.Report(pinned);
  EXPECT_EQ(report["passed"], false);
  EXPECT_EQ(report["lock"]["status"], "differs");
  EXPECT_EQ(report["criteria"][0]["met"], false);
}

size_t Count(absl::string_view text, absl::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != absl::string_view::npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

// As a browser takes it: up to the first end of a script.
std::string ReportIn(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"report\">";
  const size_t from = page.find(begin) + begin.size();
  return page.substr(from, page.find("</script", from) - from);
}

TEST(ReportPageTest, HoldsTheReportAndTheCharts) {
  SmallExperiment experiment;
  const base::Json report = experiment.Report(std::nullopt);
  const std::string page = FormatReportPage(report);
  EXPECT_EQ(base::Json::parse(ReportIn(page)), report);
  EXPECT_THAT(page, HasSubstr("function heatMap("));
  EXPECT_THAT(page, Not(HasSubstr("CHARTS_JS")));
  EXPECT_THAT(page, Not(HasSubstr("REPORT_JSON")));
}

TEST(ReportPageTest, NeedsNothingFromElsewhere) {
  SmallExperiment experiment;
  const std::string page = FormatReportPage(experiment.Report(std::nullopt));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* const elsewhere : {"http:", "https:", "src=", "@import",
                                      "url(", "<link", "import(", "fetch("}) {
    EXPECT_THAT(page, Not(HasSubstr(elsewhere)));
  }
}

TEST(ReportPageTest, TakesNoTextForHtml) {
  SmallExperiment experiment;
  const std::string plain = FormatReportPage(experiment.Report(std::nullopt));
  experiment.spec().set_description(
      "</script><script>a</script><!-- REPORT_JSON CHARTS_JS \"b\" & 'c'");
  const base::Json report = experiment.Report(std::nullopt);
  const std::string page = FormatReportPage(report);
  EXPECT_EQ(base::Json::parse(ReportIn(page)), report);
  for (const char* const mark : {"<script", "</script", "<!--"}) {
    EXPECT_EQ(Count(page, mark), Count(plain, mark)) << mark;
  }
  // What would make HTML of a text.
  for (const char* const maker :
       {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"}) {
    EXPECT_THAT(plain, Not(HasSubstr(maker)));
  }
}

TEST(ReportPageTest, SaysWithoutScriptsWhereTheNumbersAre) {
  SmallExperiment experiment;
  const std::string page = FormatReportPage(experiment.Report(std::nullopt));
  const size_t from = page.find("<noscript>");
  EXPECT_THAT(page.substr(from, page.find("</noscript>") - from),
              HasSubstr("report.json"));
}

TEST(WriteExperimentReportTest, WritesBothFiles) {
  SmallExperiment experiment;
  const TempDirectory directory;
  const base::Json report = experiment.Report(std::nullopt);
  const std::string path = directory.Path("a/report");
  ASSERT_THAT(WriteExperimentReport(report, path, false), IsOk());
  MOE_ASSERT_OK_AND_ASSIGN(const std::string json,
                           base::ReadFile(path + "/report.json", 1 << 20));
  EXPECT_EQ(json, base::FormatJson(report));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string html,
                           base::ReadFile(path + "/report.html", 1 << 20));
  EXPECT_EQ(html, FormatReportPage(report));
}

TEST(WriteExperimentReportTest, ReplacesReportsOnly) {
  SmallExperiment experiment;
  TempDirectory directory;
  const base::Json report = experiment.Report(std::nullopt);
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
                           base::ListDirectory(directory.Path("thesis")));
  EXPECT_THAT(names, ElementsAre("report.json"));
}

}  // namespace

}  // namespace moe::experiment
