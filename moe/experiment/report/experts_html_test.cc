#include "moe/experiment/report/experts_html.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/experiment/report/html_section.h"
#include "moe/experiment/report/small_experiment_test_helper.h"

namespace moe {
namespace {

using ::moe::testing::SmallExperiment;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Html(const Json& report) {
  return FormatSections(ExpertsToHtml(report));
}

TEST(ExpertsHtmlTest, ShowsTheLoadInPercent) {
  SmallExperiment experiment;
  const std::string html = Html(experiment.Report(std::nullopt));
  EXPECT_THAT(html, HasSubstr("cut, MLP experts: from 25.0 to 75.0 %; even "
                              "would be 50.0 %"));
  EXPECT_THAT(html, HasSubstr("after, attention experts"));
  EXPECT_THAT(html, HasSubstr("layer 0, expert 0: 75.0 % of"));
}

TEST(ExpertsHtmlTest, ShowsClustersWithTheirBounds) {
  SmallExperiment experiment;
  const std::string html = Html(experiment.Report(std::nullopt));
  EXPECT_THAT(html, HasSubstr("layer 0, cluster 1: 7 tokens"));
  EXPECT_THAT(html, HasSubstr("layer 0, expert 1: 8 tokens"));
  EXPECT_THAT(html, HasSubstr("<td class=\"number\">3</td>"
                              "<td class=\"number\">9</td>"
                              "<td class=\"number\">5</td>"
                              "<td class=\"number\">7</td><td>yes</td>"));
}

TEST(ExpertsHtmlTest, ShowsRoutersWithoutClusters) {
  SmallExperiment experiment;
  experiment.SetReport("router", R"({"layers": [
      {"layer": 4, "tokens": [5, 7], "routed_counts": [1, 2]}]})");
  const std::string html = Html(experiment.Report(std::nullopt));
  EXPECT_THAT(html, AllOf(HasSubstr("draws at random"),
                          HasSubstr("layer 4, expert 1: 2 tokens"),
                          Not(HasSubstr("<th>within bounds"))));
}

TEST(ExpertsHtmlTest, ShowsTheOverlapOfNeurons) {
  SmallExperiment experiment;
  const std::string html = Html(experiment.Report(std::nullopt));
  EXPECT_THAT(html, HasSubstr("layer 0, wanted by 2: 5 neurons"));
  // Size 8 and no residual expert; 6, 5 and 5 are wanted by none, one, two; all
  // 16 are given to one.
  EXPECT_THAT(html, HasSubstr("<td class=\"number\">8</td>"
                              "<td class=\"number\">-</td>"
                              "<td class=\"number\">6</td>"
                              "<td class=\"number\">5</td>"
                              "<td class=\"number\">5</td>"
                              "<td class=\"number\">0</td>"
                              "<td class=\"number\">16</td>"
                              "<td class=\"number\">0</td>"));
  experiment.SetReport("neurons",
                       R"({"layers": [{"layer": 0, "expert_size": 8}]})");
  EXPECT_THAT(Html(experiment.Report(std::nullopt)),
              HasSubstr("without scores"));
}

TEST(ExpertsHtmlTest, ShowsTheDistanceBeforeAndAfter) {
  SmallExperiment experiment;
  const std::string html = Html(experiment.Report(std::nullopt));
  EXPECT_THAT(html, HasSubstr("MLP before, 0: 0.75"));
  EXPECT_THAT(html, HasSubstr("MLP after, 0: 3e-08"));
  EXPECT_THAT(html, Not(HasSubstr("attention before")));
  // Where every feature is dead there is no divergence.
  experiment.SetReport("aligned", R"({"blocks": [
      {"layer": 2, "part": "attn", "divergence_before": null}]})");
  EXPECT_THAT(Html(experiment.Report(std::nullopt)),
              AllOf(HasSubstr("attention before"),
                    HasSubstr("<td class=\"number\">-</td>")));
}

TEST(ExpertsHtmlTest, LeavesOutWhatAnExperimentHasNot) {
  SmallExperiment experiment;
  Json report = experiment.Report(std::nullopt);
  for (const char* const section :
       {"expert_load", "routers", "neuron_splits", "alignments"}) {
    report[section] = Json::array();
  }
  EXPECT_EQ(Html(report), "");
}

}  // namespace
}  // namespace moe
