#include "moe/experiment/report/provenance_html.h"

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
  return FormatSections(ProvenanceToHtml(report));
}

TEST(ProvenanceHtmlTest, SaysStepByStepWhetherTheLockHolds) {
  SmallExperiment experiment;
  ExperimentLock lock = experiment.Lock();
  EXPECT_THAT(Html(experiment.Report(lock)),
              AllOf(HasSubstr("✓ Everything is as pinned"),
                    HasSubstr("<td>mlp</td><td>✓ verified</td>")));
  lock.mutable_steps(3)->mutable_files(0)->set_sha256(std::string(64, '0'));
  EXPECT_THAT(Html(experiment.Report(lock)),
              AllOf(HasSubstr("The first step that diverged is mlp."),
                    HasSubstr("<td>mlp</td><td>✗ differs</td>"),
                    HasSubstr("mlp: result"), HasSubstr(std::string(64, '0')),
                    HasSubstr("What that may come from")));
  EXPECT_THAT(Html(experiment.Report(ExperimentLock())),
              HasSubstr("nothing is pinned yet"));
  EXPECT_THAT(Html(experiment.Report(std::nullopt)),
              AllOf(HasSubstr("no lock"), HasSubstr("<td>made</td>")));
}

TEST(ProvenanceHtmlTest, ShowsTimingsThatAreKnown) {
  SmallExperiment experiment;
  EXPECT_THAT(Html(experiment.Report(std::nullopt)),
              HasSubstr("No timings were recorded"));
  experiment.SetTiming("scores", 1.5);
  EXPECT_THAT(
      Html(experiment.Report(std::nullopt)),
      AllOf(HasSubstr("A &lt;fast&gt; processor, kernels for avx2, 2 threads"),
            HasSubstr("<td>scores</td><td class=\"number\">1.50 s</td>"
                      "<td class=\"number\">3.00 s</td>"
                      "<td class=\"number\">3.00 MiB</td>"),
            HasSubstr("<td>not known</td>")));
}

TEST(ProvenanceHtmlTest, ListsEveryDigest) {
  SmallExperiment experiment;
  const Json report = experiment.Report(std::nullopt);
  const std::string html = Html(report);
  for (const Json& step : report["steps"]) {
    for (const char* const list : {"files", "reports"}) {
      for (const Json& file : step[list]) {
        EXPECT_THAT(html, HasSubstr(file["sha256"].get<std::string>()));
      }
    }
  }
  EXPECT_THAT(html, HasSubstr(report["inputs"]["spec"]["sha256"]));
  EXPECT_THAT(html, HasSubstr(std::string(64, 'a')));
  EXPECT_THAT(html, HasSubstr(std::string(64, 'c')));
  EXPECT_THAT(html, HasSubstr(std::string(64, 'd')));
}

TEST(ProvenanceHtmlTest, SaysHowToMakeItAgain) {
  SmallExperiment experiment;
  Json report = experiment.Report(std::nullopt);
  EXPECT_THAT(Html(report),
              AllOf(HasSubstr("<pre>./bazelw run //x:small</pre>"),
                    HasSubstr("llama_moe run --experiment=small.textproto"),
                    HasSubstr("llama_moe 1.2.3"),
                    HasSubstr("name: &quot;neurons&quot;")));
  report["reproduce"]["bazel"] = nullptr;
  EXPECT_THAT(Html(report), Not(HasSubstr("bazelw")));
}

}  // namespace
}  // namespace moe
