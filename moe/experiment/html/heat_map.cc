#include "moe/experiment/html/heat_map.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "moe/base/check.h"
#include "moe/experiment/html/chart_axis.h"
#include "moe/experiment/html/html_page.h"

namespace moe {
namespace {

constexpr double kWidth = 760, kLeft = 72, kTop = 44, kCellHeight = 16;
constexpr double kMostCellWidth = 48, kMostWidth = 660;

// Every so many rows or columns have their number beside them.
int64_t LabelStep(int64_t count, int64_t most) {
  return std::max<int64_t>(1, (count + most - 1) / most);
}

double LargestOf(const HeatMap& map) {
  double largest = 0;
  for (const double value : map.values.values) {
    MOE_CHECK(!(value < 0));
    if (std::isfinite(value)) largest = std::max(largest, value);
  }
  return largest;
}

std::string Cell(const HeatMap& map, int64_t row, int64_t col, double width,
                 double largest) {
  const double value = map.values.Row(row)[static_cast<size_t>(col)];
  if (!std::isfinite(value)) return "";
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%g\" "
      "fill=\"var(--accent)\" fill-opacity=\"%.3f\" stroke=\"var(--line)\" "
      "stroke-width=\"0.5\"><title>%s</title></rect>\n",
      kLeft + width * static_cast<double>(col),
      kTop + kCellHeight * static_cast<double>(row), width, kCellHeight,
      largest > 0 ? value / largest : 0.0,
      EscapeHtml(absl::StrCat(map.row_name, " ", row, ", ", map.col_name, " ",
                              col, ": ", FormatTick(value))));
}

std::string Text(double x, double y, const std::string& text,
                 const char* anchor) {
  return absl::StrFormat(
      "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"faint\">%s"
      "</text>\n",
      x, y, anchor, EscapeHtml(text));
}

}  // namespace

std::string FormatHeatMap(const HeatMap& map) {
  const int64_t rows = map.values.rows, cols = map.values.cols;
  const double largest = LargestOf(map);
  const double width =
      std::min(kMostCellWidth,
               kMostWidth / static_cast<double>(std::max<int64_t>(1, cols)));
  std::string svg = absl::StrFormat(
      "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n"
      "<text x=\"%g\" y=\"16\">%s</text>\n",
      kWidth, kTop + kCellHeight * static_cast<double>(rows) + 8,
      EscapeHtml(map.title), kLeft, EscapeHtml(map.title));
  absl::StrAppend(
      &svg, Text(kLeft, 36, map.col_name, "end"),
      Text(kWidth, 16,
           absl::StrCat(map.value_name, ": 0 to ", FormatTick(largest)),
           "end"));
  for (int64_t col = 0; col < cols; col += LabelStep(cols, 24)) {
    absl::StrAppend(&svg, Text(kLeft + width * (static_cast<double>(col) + 0.5),
                               36, absl::StrCat(col), "middle"));
  }
  for (int64_t row = 0; row < rows; ++row) {
    if (row % LabelStep(rows, 40) == 0) {
      absl::StrAppend(
          &svg,
          Text(kLeft - 6, kTop + kCellHeight * static_cast<double>(row) + 12,
               absl::StrCat(map.row_name, " ", row), "end"));
    }
    for (int64_t col = 0; col < cols; ++col) {
      absl::StrAppend(&svg, Cell(map, row, col, width, largest));
    }
  }
  return absl::StrCat(svg, "</svg>\n");
}

}  // namespace moe
