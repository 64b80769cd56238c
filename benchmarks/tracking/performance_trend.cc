#include "benchmarks/tracking/performance_trend.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "benchmarks/tracking/performance_history.h"
#include "benchmarks/tracking/performance_registry.h"
#include "benchmarks/tracking/performance_registry.pb.h"
#include "moe/experiment/html/html_page.h"
#include "moe/experiment/html/line_chart.h"

namespace moe {
namespace {

double FigureOf(const PerformanceRun& run, const std::string& name) {
  const auto found = run.figures.find(name);
  return found == run.figures.end() ? std::nan("") : found->second;
}

std::string Short(double value) {
  return std::isfinite(value) ? absl::StrFormat("%.4g", value) : "";
}

std::string Measurements(const PerformanceRun& run, const std::string& name) {
  const auto found = run.measurements.find(name);
  return absl::StrCat(found == run.measurements.end() ? 1 : found->second);
}

std::string LastFigures(const PerformanceRegistry& registry,
                        const PerformanceRun& run) {
  HtmlTable table = {{"metric", "figure", "baseline", "worst allowed", "unit",
                      "better", "times measured", "owner"},
                     {}};
  for (const TrackedMetric& metric : registry.metric()) {
    table.rows.push_back(
        {metric.name(), Short(FigureOf(run, metric.name())),
         Short(metric.baseline()), Short(WorstAllowed(metric)), metric.unit(),
         metric.direction() == TrackedMetric::LOWER_IS_BETTER ? "lower"
                                                              : "higher",
         Measurements(run, metric.name()), metric.owner()});
  }
  return FormatHtmlTable(table);
}

// A whole time has no room below a chart; the table of runs has it.
std::string DayOf(const PerformanceRun& run) {
  return run.date.substr(0, std::string("2026-01-02").size());
}

std::string Chart(const TrackedMetric& metric,
                  const std::vector<PerformanceRun>& runs) {
  LineChart chart;
  chart.title = metric.name();
  chart.x_name = "runs";
  chart.y_name = metric.unit();
  LineSeries series = {metric.counter(), {}};
  for (const PerformanceRun& run : runs) {
    chart.x_labels.push_back(DayOf(run));
    series.values.push_back(FigureOf(run, metric.name()));
  }
  chart.series = {series};
  chart.references = {{"baseline", metric.baseline()},
                      {"worst allowed", WorstAllowed(metric)}};
  return FormatLineChart(chart);
}

std::string Runs(const std::vector<PerformanceRun>& runs) {
  HtmlTable table = {{"date", "revision", "processor", "processors", "memory",
                      "distribution", "kernel", "SIMD"},
                     {}};
  for (const PerformanceRun& run : runs) {
    const MachineFacts& machine = run.machine;
    table.rows.push_back(
        {run.date, run.revision, machine.processor,
         absl::StrCat(machine.num_processors),
         absl::StrFormat("%.0f GiB",
                         static_cast<double>(machine.memory_bytes) / (1 << 30)),
         machine.distribution, machine.kernel, machine.simd_target});
  }
  return FormatHtmlTable(table);
}

}  // namespace

std::string FormatPerformanceTrend(const PerformanceRegistry& registry,
                                   const std::vector<PerformanceRun>& runs) {
  if (runs.empty()) {
    return FormatHtmlPage("Performance", "<p>No run yet.</p>\n");
  }
  std::string body = absl::StrCat(
      "<p>", runs.size(), runs.size() == 1 ? " run" : " runs",
      "; the last one is of ", EscapeHtml(runs.back().date),
      ". Figures are ratios taken in one run",
      ", so that different machines can be compared.</p>\n<h2>Last run</h2>\n",
      LastFigures(registry, runs.back()), "<h2>Trends</h2>\n");
  for (const TrackedMetric& metric : registry.metric()) {
    absl::StrAppend(&body, Chart(metric, runs));
  }
  absl::StrAppend(&body, "<h2>Runs</h2>\n", Runs(runs));
  return FormatHtmlPage("Performance", body);
}

}  // namespace moe
