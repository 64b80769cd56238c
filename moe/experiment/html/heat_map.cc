#include "moe/experiment/html/heat_map.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/experiment/html/chart_axis.h"
#include "moe/experiment/html/html_page.h"

namespace moe {
namespace {

constexpr double kTop = 22, kCellHeight = 20;
constexpr double kMostCellWidth = 36, kMostWidth = 660;
// From here on a cell has room for its number.
constexpr double kNumberWidth = 32;
// Of the shades from here on the page's ground stands out, below its ink.
constexpr double kDark = 0.68;
// Of the scale below.
constexpr double kSwatchWidth = 22;
constexpr int kNumSwatches = 5;
// Rough, of a character of the small text.
constexpr double kCharacterWidth = 6.5;

// Every so many rows or columns have their number beside them.
int64_t LabelStep(int64_t count, int64_t most) {
  return std::max<int64_t>(1, (count + most - 1) / most);
}

std::string Text(double x, double y, absl::string_view text, const char* anchor,
                 const char* css_class = "faint") {
  return absl::StrFormat(
      "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">%s"
      "</text>\n",
      x, y, anchor, css_class, EscapeHtml(text));
}

std::string Rectangle(double x, double y, double width, double height,
                      double share, absl::string_view content) {
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%g\" "
      "fill=\"var(--accent)\" fill-opacity=\"%.3f\" stroke=\"var(--line)\" "
      "stroke-width=\"0.5\">%s</rect>\n",
      x, y, width, height, share, content);
}

class HeatMapPainter {
 public:
  explicit HeatMapPainter(const HeatMap& map) : map_(map) {
    for (const double value : map.values.values()) {
      MOE_CHECK(!(value < 0));
      if (std::isfinite(value)) largest_ = std::max(largest_, value);
    }
    size_t longest = map.col_name.size();
    for (int64_t row = 0; row < map.values.rows(); ++row) {
      longest = std::max(longest, RowName(row).size());
    }
    left_ = 12 + kCharacterWidth * static_cast<double>(longest);
    const auto cols =
        static_cast<double>(std::max<int64_t>(1, map.values.cols()));
    cell_width_ = std::min(kMostCellWidth, kMostWidth / cols);
    bottom_ = kTop + kCellHeight * static_cast<double>(map.values.rows());
    width_ = std::max(left_ + cell_width_ * cols, ScaleEnd()) + 1;
  }

  std::string Paint() const {
    const double height = bottom_ + 32;
    std::string svg = absl::StrFormat(
        "<svg class=\"heat\" viewBox=\"0 0 %.1f %.1f\" width=\"%.1f\" "
        "height=\"%.1f\" role=\"img\" aria-label=\"%s\">\n",
        width_, height, width_, height, EscapeHtml(map_.title));
    absl::StrAppend(&svg, Columns());
    for (int64_t row = 0; row < map_.values.rows(); ++row) {
      absl::StrAppend(&svg, Row(row));
    }
    return absl::StrCat(svg, Scale(), "</svg>\n");
  }

 private:
  std::string Format(double value) const {
    return map_.format ? map_.format(value) : FormatTick(value);
  }
  std::string RowLabel(int64_t row) const {
    const auto i = static_cast<size_t>(row);
    return i < map_.row_labels.size() ? map_.row_labels[i] : absl::StrCat(row);
  }
  std::string RowName(int64_t row) const {
    return absl::StrCat(map_.row_name, " ", RowLabel(row));
  }
  double X(int64_t col) const {
    return left_ + cell_width_ * static_cast<double>(col);
  }
  std::string ScaleText() const {
    return absl::StrCat(Format(largest_), " ", map_.value_name);
  }
  double ScaleEnd() const {
    return left_ + kNumSwatches * kSwatchWidth + 8 +
           kCharacterWidth * static_cast<double>(ScaleText().size());
  }

  std::string Columns() const;
  std::string Row(int64_t row) const;
  std::string Cell(int64_t row, int64_t col) const;
  std::string Scale() const;

  const HeatMap& map_;
  double largest_ = 0;
  double left_ = 0, cell_width_ = 0, width_ = 0, bottom_ = 0;
};

std::string HeatMapPainter::Columns() const {
  std::string svg = Text(left_ - 8, 14, map_.col_name, "end");
  const int64_t cols = map_.values.cols();
  for (int64_t col = 0; col < cols; col += LabelStep(cols, 24)) {
    absl::StrAppend(
        &svg, Text(X(col) + cell_width_ / 2, 14, absl::StrCat(col), "middle"));
  }
  return svg;
}

std::string HeatMapPainter::Row(int64_t row) const {
  std::string svg;
  if (row % LabelStep(map_.values.rows(), 40) == 0) {
    svg = Text(left_ - 8, kTop + kCellHeight * static_cast<double>(row) + 14,
               RowName(row), "end");
  }
  for (int64_t col = 0; col < map_.values.cols(); ++col) {
    absl::StrAppend(&svg, Cell(row, col));
  }
  return svg;
}

std::string HeatMapPainter::Cell(int64_t row, int64_t col) const {
  const double value = map_.values.Row(row)[static_cast<size_t>(col)];
  if (!std::isfinite(value)) return "";
  const double share = largest_ > 0 ? value / largest_ : 0.0;
  const double y = kTop + kCellHeight * static_cast<double>(row);
  const std::string title =
      EscapeHtml(absl::StrCat(RowName(row), ", ", map_.col_name, " ", col, ": ",
                              Format(value), " ", map_.value_name));
  std::string svg = Rectangle(X(col), y, cell_width_, kCellHeight, share,
                              absl::StrCat("<title>", title, "</title>"));
  const std::string number = Format(value);
  if (cell_width_ >= kNumberWidth && number.size() <= 5) {
    absl::StrAppend(&svg, Text(X(col) + cell_width_ / 2, y + 14, number,
                               "middle", share > kDark ? "cell on" : "cell"));
  }
  return svg;
}

std::string HeatMapPainter::Scale() const {
  const double y = bottom_ + 12;
  std::string svg = Text(left_ - 8, y + 10, "0", "end");
  for (int i = 0; i < kNumSwatches; ++i) {
    absl::StrAppend(&svg, Rectangle(left_ + kSwatchWidth * i, y, kSwatchWidth,
                                    12, i / (kNumSwatches - 1.0), ""));
  }
  return absl::StrCat(svg, Text(left_ + kSwatchWidth * kNumSwatches + 8, y + 10,
                                ScaleText(), "start"));
}

}  // namespace

std::string FormatHeatMap(const HeatMap& map) {
  return HeatMapPainter(map).Paint();
}

}  // namespace moe
