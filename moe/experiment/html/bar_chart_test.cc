#include "moe/experiment/html/bar_chart.h"

#include <cmath>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/experiment/html/chart_axis.h"

namespace moe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(BarChartTest, DrawsFromNothingToTheValue) {
  BarChart chart;
  chart.title = "time <s>";
  chart.bars = {{"a & b", 2.5, "2.5 s"}, {"c", 10, "10 s"}};
  const std::string svg = FormatBarChart(chart);
  EXPECT_THAT(svg, HasSubstr("aria-label=\"time &lt;s&gt;\""));
  EXPECT_THAT(svg, HasSubstr(">a &amp; b</text>"));
  EXPECT_THAT(svg, HasSubstr("width=\"25.00%\""));
  EXPECT_THAT(svg, HasSubstr("width=\"100.00%\" height=\"12\""));
}

TEST(BarChartTest, MayBeLogarithmic) {
  BarChart chart;
  chart.scale = AxisScale::kLogarithmic;
  chart.bars = {{"a", 10, "10"}, {"b", 1, "1"}, {"c", 100, "100"}};
  const std::string svg = FormatBarChart(chart);
  EXPECT_THAT(svg, HasSubstr("width=\"50.00%\""));
  // The least can still be seen.
  EXPECT_THAT(svg, HasSubstr("width=\"0.30%\""));
}

TEST(BarChartTest, SaysWhatHasNoPlace) {
  BarChart chart;
  chart.scale = AxisScale::kLogarithmic;
  chart.bars = {{"a", std::nan(""), "not a number"},
                {"b", std::numeric_limits<double>::infinity(), "infinite"}};
  const std::string svg = FormatBarChart(chart);
  EXPECT_THAT(svg, HasSubstr("not a number"));
  EXPECT_THAT(svg, HasSubstr("width=\"100.00%\" height=\"12\""));
  EXPECT_THAT(svg, Not(HasSubstr("nan%")));
  EXPECT_THAT(FormatBarChart({}), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace moe
