#include "moe/experiment/report/quality_html.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/report/html_section.h"
#include "moe/experiment/report/small_experiment_test_helper.h"

namespace moe {
namespace {

using ::moe::testing::SmallExperiment;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Html(const Json& report) {
  return FormatSections(QualityToHtml(report));
}

TEST(QualityHtmlTest, ShowsPerplexitiesAndCriteria) {
  SmallExperiment experiment;
  const std::string html = Html(experiment.Report(std::nullopt));
  EXPECT_THAT(html, HasSubstr("<td>cut</td><td>mlp</td>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"number\">6.000</td>"
                              "<td class=\"number\">3.000</td>"
                              "<td class=\"number\">2.000</td>"
                              "<td class=\"number\">662</td>"));
  EXPECT_THAT(html, HasSubstr("✓ met</b> cut.perplexity, 6.000, is at most "
                              "4.000 times before.perplexity, 8.000"));
}

TEST(QualityHtmlTest, SaysPlainlyWhatIsNotMet) {
  SmallExperiment experiment;
  experiment.SetEvaluation("cut", 3, 9);
  const Json report = experiment.Report(std::nullopt);
  EXPECT_THAT(Html(report),
              HasSubstr("✗ not met</b> cut.perplexity, 9.000, is not at most"));
  EXPECT_THAT(SummaryToHtml(report),
              AllOf(HasSubstr("card bad"), HasSubstr("0 of 1 met")));
}

TEST(QualityHtmlTest, SaysWhetherAlignmentMadeItBetter) {
  SmallExperiment experiment;
  EXPECT_THAT(Html(experiment.Report(std::nullopt)),
              HasSubstr("the perplexity of aligned, 5.000, is better than that "
                        "of mlp, 6.000, from which it was made."));
  experiment.SetEvaluation("after", 3, 6.5);
  EXPECT_THAT(
      Html(experiment.Report(std::nullopt)),
      HasSubstr("aligned, 6.500, is not better than that of mlp, 6.000"));
}

TEST(QualityHtmlTest, ShowsWhatIsNoNumber) {
  SmallExperiment experiment;
  experiment.SetEvaluation("cut", 100, std::numeric_limits<double>::infinity());
  experiment.SetEvaluation("after", std::nan(""), std::nan(""));
  const Json report = experiment.Report(std::nullopt);
  EXPECT_THAT(Html(report),
              AllOf(HasSubstr("infinite"), HasSubstr("not a number"),
                    Not(HasSubstr("nan%"))));
  EXPECT_THAT(SummaryToHtml(report), HasSubstr("2.000 → not a number"));
}

TEST(QualityHtmlTest, SummarySaysWhetherItIsPinned) {
  SmallExperiment experiment;
  ExperimentLock lock = experiment.Lock();
  EXPECT_THAT(SummaryToHtml(experiment.Report(lock)),
              AllOf(HasSubstr("Verified"), HasSubstr("of 9 steps")));
  EXPECT_THAT(SummaryToHtml(experiment.Report(ExperimentLock())),
              HasSubstr("the lock is empty"));
  EXPECT_THAT(SummaryToHtml(experiment.Report(std::nullopt)),
              HasSubstr("there is no lock"));
  lock.mutable_steps(1)->mutable_files(0)->set_bytes(1);
  EXPECT_THAT(SummaryToHtml(experiment.Report(lock)),
              AllOf(HasSubstr("Differs"), HasSubstr("first at step scores")));
}

TEST(QualityHtmlTest, SummarySaysHowLongItTook) {
  SmallExperiment experiment;
  EXPECT_THAT(SummaryToHtml(experiment.Report(std::nullopt)),
              HasSubstr("not recorded"));
  experiment.SetTiming("scores", 100);
  EXPECT_THAT(SummaryToHtml(experiment.Report(std::nullopt)),
              AllOf(HasSubstr("1 min 40 s"), HasSubstr("for 1 of 9 steps")));
}

TEST(QualityHtmlTest, AnExperimentMayEvaluateNothing) {
  SmallExperiment experiment;
  Json report = experiment.Report(std::nullopt);
  report["evaluations"] = Json::array();
  report["criteria"] = Json::array();
  EXPECT_THAT(SummaryToHtml(report), HasSubstr("nothing was evaluated"));
  EXPECT_THAT(Html(report), AllOf(HasSubstr("sets no criteria"),
                                  Not(HasSubstr("id=\"perplexity\""))));
}

}  // namespace
}  // namespace moe
