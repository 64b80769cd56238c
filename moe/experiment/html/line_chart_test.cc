#include "moe/experiment/html/line_chart.h"

#include <cmath>
#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/experiment/html/chart_axis.h"

namespace moe {
namespace {

using ::testing::HasSubstr;

size_t Count(absl::string_view text, absl::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != absl::string_view::npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST(LineChartTest, HasAPointForEveryValueAndAGapForNone) {
  LineChart chart;
  chart.title = "before & after";
  chart.x_labels = {"layer 0", "layer <1>"};
  chart.series = {{"before", {1, 2, std::nan(""), 4, 5}}, {"after", {0, 10}}};
  const std::string svg = FormatLineChart(chart);
  EXPECT_EQ(Count(svg, "<circle"), 6u);
  EXPECT_EQ(Count(svg, "<path"), 2u);
  // Two pieces, and the other series.
  EXPECT_EQ(Count(svg, "M") - Count(svg, "ME"), 3u);
  EXPECT_THAT(svg, HasSubstr("aria-label=\"before &amp; after\""));
  EXPECT_THAT(svg, HasSubstr("<title>before, layer &lt;1&gt;: 2</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>before, 4: 4</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>after, layer 0: 0</title>"));
}

TEST(LineChartTest, PutsValuesWhereTheAxisSays) {
  LineChart chart;
  chart.series = {{"a", {0, 10}}};
  const std::string svg = FormatLineChart(chart);
  // The plot's lower left and upper right corners.
  EXPECT_THAT(svg, HasSubstr("d=\"M72.0 230.0 L740.0 34.0 \""));
  chart.scale = AxisScale::kLogarithmic;
  chart.series = {{"a", {1, 10, 100}}};
  EXPECT_THAT(FormatLineChart(chart),
              HasSubstr("d=\"M72.0 230.0 L406.0 132.0 L740.0 34.0 \""));
}

TEST(LineChartTest, ShowsLevelsAndTakesThemIntoTheAxis) {
  LineChart chart;
  chart.series = {{"a", {1, 1}}};
  chart.references = {{"bar", 1.25}, {"goal", 3}};
  const std::string svg = FormatLineChart(chart);
  EXPECT_THAT(svg, HasSubstr(">bar 1.25</text>"));
  EXPECT_THAT(svg, HasSubstr(">goal 3</text>"));
}

TEST(LineChartTest, CallsAsManyPlacesAsHaveRoom) {
  LineChart chart;
  chart.x_labels = {"a", "b", "c", "d", "e"};
  chart.series = {{"s", {1, 2, 3, 4, 5}}};
  for (const char* const label : {">a<", ">b<", ">c<", ">d<", ">e<"}) {
    EXPECT_EQ(Count(FormatLineChart(chart), label), 1u) << label;
  }
  // Places far apart: the two ends, and the middle.
  chart.x_labels[1] = std::string(30, 'b');
  const std::string svg = FormatLineChart(chart);
  EXPECT_EQ(Count(svg, ">a<") + Count(svg, ">c<") + Count(svg, ">e<"), 3u);
  EXPECT_EQ(Count(svg, ">d<") + Count(svg, "bb</text>"), 0u);
  // As it is read, the name of the axis stands below.
  chart.series = {{"s", {1}}};
  chart.x_name = "layer";
  EXPECT_THAT(FormatLineChart(chart), HasSubstr("y=\"248.0\""));
  EXPECT_THAT(FormatLineChart(chart), HasSubstr("y=\"266.0\""));
}

TEST(LineChartTest, MayBeEmptyOrHaveOnePoint) {
  EXPECT_THAT(FormatLineChart({}), HasSubstr("</svg>"));
  LineChart chart;
  chart.series = {{"a", {5}}};
  EXPECT_EQ(Count(FormatLineChart(chart), "<circle cx=\"406.0\""), 1u);
}

}  // namespace
}  // namespace moe
