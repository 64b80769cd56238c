#include "moe/experiment/html/bar_chart.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/experiment/html/chart_axis.h"
#include "moe/experiment/html/html_page.h"

namespace moe {
namespace {

constexpr double kRowHeight = 38, kBarHeight = 12, kTextHeight = 15;

// Places are shares of the width, so that text keeps its size on any screen.
std::string Text(double percent, double y, absl::string_view text,
                 const char* anchor, const char* css_class = "") {
  return absl::StrFormat(
      "<text x=\"%.2f%%\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">%s"
      "</text>\n",
      percent, y, anchor, css_class, EscapeHtml(text));
}

ChartAxis AxisOf(const BarChart& chart) {
  std::vector<double> values;
  if (chart.scale == AxisScale::kLinear) values.push_back(0);
  for (const Bar& bar : chart.bars) values.push_back(bar.value);
  return ChartAxis(values, chart.scale);
}

std::string Ticks(const ChartAxis& axis, double bottom) {
  std::string svg;
  for (const double tick : axis.ticks()) {
    const double percent = 100 * axis.Place(tick);
    absl::StrAppendFormat(&svg,
                          "<line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" "
                          "y2=\"%.1f\" stroke=\"var(--line)\"/>\n",
                          percent, percent, bottom);
    const char* anchor = tick == axis.min()   ? "start"
                         : tick == axis.max() ? "end"
                                              : "middle";
    absl::StrAppend(
        &svg, Text(percent, bottom + 16, FormatTick(tick), anchor, "faint"));
  }
  return svg;
}

std::string Row(const Bar& bar, const ChartAxis& axis, double y) {
  std::string svg = absl::StrCat(Text(0, y + kTextHeight, bar.name, "start"),
                                 Text(100, y + kTextHeight, bar.text, "end"));
  if (std::isnan(bar.value)) return svg;
  absl::StrAppendFormat(&svg,
                        "<rect x=\"0\" y=\"%.1f\" width=\"%.2f%%\" "
                        "height=\"%g\" rx=\"2\" fill=\"var(--accent)\"/>\n",
                        y + kTextHeight + 5,
                        std::max(0.3, 100 * axis.Place(bar.value)), kBarHeight);
  return svg;
}

}  // namespace

std::string FormatBarChart(const BarChart& chart) {
  const ChartAxis axis = AxisOf(chart);
  const double bottom = kRowHeight * static_cast<double>(chart.bars.size()) + 4;
  std::string svg = absl::StrFormat(
      "<svg class=\"bars\" width=\"100%%\" height=\"%g\" role=\"img\" "
      "aria-label=\"%s\">\n",
      bottom + 22, EscapeHtml(chart.title));
  absl::StrAppend(&svg, Ticks(axis, bottom));
  double y = 0;
  for (const Bar& bar : chart.bars) {
    absl::StrAppend(&svg, Row(bar, axis, y));
    y += kRowHeight;
  }
  return absl::StrCat(svg, "</svg>\n");
}

}  // namespace moe
