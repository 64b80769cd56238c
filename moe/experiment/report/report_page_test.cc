#include "moe/experiment/report/report_page.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/experiment/report/small_experiment_test_helper.h"

namespace moe {
namespace {

using ::moe::testing::SmallExperiment;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ReportPageTest, HasEverySectionInOrder) {
  SmallExperiment experiment;
  const std::string html = FormatReportPage(experiment.Report(std::nullopt));
  size_t place = html.find("<h1>Experiment small</h1>");
  for (const char* const id :
       {"perplexity", "criteria", "load", "clusters", "overlap", "alignment",
        "lock", "timings", "digests", "reproduce"}) {
    const size_t next = html.find(std::string("<section id=\"") + id + "\"");
    ASSERT_NE(next, std::string::npos) << id;
    EXPECT_GT(next, place) << id;
    place = next;
    EXPECT_THAT(html, HasSubstr(std::string("<a href=\"#") + id + "\">"));
  }
}

TEST(ReportPageTest, NeedsNothingFromElsewhere) {
  SmallExperiment experiment;
  const std::string html = FormatReportPage(experiment.Report(std::nullopt));
  for (const char* const elsewhere :
       {"http", "src=", "@import", "url(", "<script", "<link"}) {
    EXPECT_THAT(html, Not(HasSubstr(elsewhere)));
  }
}

TEST(ReportPageTest, EscapesWhatPeopleWrote) {
  SmallExperiment experiment;
  experiment.spec().set_description("<script>\"a\" & 'b'</script>");
  EXPECT_THAT(FormatReportPage(experiment.Report(std::nullopt)),
              AllOf(HasSubstr("&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;"),
                    Not(HasSubstr("<script"))));
}

}  // namespace
}  // namespace moe
