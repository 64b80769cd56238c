#include "benchmarks/tracking/performance_trend.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

using ::testing::HasSubstr;

PerformanceRegistry Registry() {
  PerformanceRegistry registry;
  for (const char* const name : {"gates/assign", "split/get_grads"}) {
    TrackedMetric& metric = *registry.add_metric();
    metric.set_name(name);
    metric.set_counter("ratio");
    metric.set_unit("times <cp>");
    metric.set_direction(TrackedMetric::LOWER_IS_BETTER);
    metric.set_baseline(2);
    metric.set_threshold(0.5);
  }
  return registry;
}

TEST(PerformanceTrendTest, HasAChartOfEveryMetricOverAllRuns) {
  std::vector<PerformanceRun> runs(2);
  runs[0].date = "2026-01-02T03:04:05Z";
  runs[0].figures = {{"gates/assign", 1.25}};
  runs[1].date = "2026-01-03T03:04:05Z";
  runs[1].measurements = {{"gates/assign", 3}};
  runs[1].figures = {{"gates/assign", 1.5}, {"split/get_grads", 2.125}};
  const std::string html = FormatPerformanceTrend(Registry(), runs);
  EXPECT_THAT(html, HasSubstr("aria-label=\"gates/assign\""));
  EXPECT_THAT(html, HasSubstr("aria-label=\"split/get_grads\""));
  EXPECT_THAT(html, HasSubstr("<title>ratio, 2026-01-02: 1.25</title>"));
  EXPECT_THAT(html, HasSubstr("<title>ratio, 2026-01-03: 2.125</title>"));
  EXPECT_THAT(html, HasSubstr("2 runs; the last one is of 2026-01-03T03:04"));
  EXPECT_THAT(html, HasSubstr(">3</td>"));
  EXPECT_THAT(html, HasSubstr(">worst allowed 3</text>"));
  EXPECT_THAT(html, HasSubstr("times &lt;cp&gt;"));
}

TEST(PerformanceTrendTest, SaysWhenThereIsNoRun) {
  EXPECT_THAT(FormatPerformanceTrend(Registry(), {}), HasSubstr("No run yet"));
}

}  // namespace
}  // namespace moe
