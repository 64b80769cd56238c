#include "moe/experiment/report/report_page.h"

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/experiment/report/testing/small_experiment.h"

namespace moe {
namespace {

using ::moe::testing::SmallExperiment;
using ::testing::HasSubstr;
using ::testing::Not;

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
  const Json report = experiment.Report(std::nullopt);
  const std::string page = FormatReportPage(report);
  EXPECT_EQ(Json::parse(ReportIn(page)), report);
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
  const Json report = experiment.Report(std::nullopt);
  const std::string page = FormatReportPage(report);
  EXPECT_EQ(Json::parse(ReportIn(page)), report);
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

}  // namespace
}  // namespace moe
