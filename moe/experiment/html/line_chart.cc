#include "moe/experiment/html/line_chart.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/experiment/html/chart_axis.h"
#include "moe/experiment/html/html_page.h"

namespace moe {
namespace {

constexpr double kWidth = 760, kHeight = 312;
// Of the plot in the picture.
constexpr double kLeft = 72, kRight = 740, kTop = 34, kBottom = 230;

// Rough, of a character of a label; and what is left between two.
constexpr double kCharacterWidth = 6.5, kLabelGap = 16;

struct Pen {
  const char* color;
  const char* dashes;
};
constexpr Pen kPens[] = {{"var(--accent)", "none"},
                         {"var(--second)", "7 3"},
                         {"var(--third)", "2 3"},
                         {"var(--fourth)", "9 3 2 3"}};

const Pen& PenOf(size_t series) { return kPens[series % std::size(kPens)]; }

ChartAxis AxisOf(const LineChart& chart) {
  std::vector<double> values;
  for (const LineSeries& series : chart.series) {
    values.insert(values.end(), series.values.begin(), series.values.end());
  }
  for (const ReferenceLine& line : chart.references) {
    values.push_back(line.value);
  }
  return ChartAxis(values, chart.scale);
}

class LineChartPainter {
 public:
  explicit LineChartPainter(const LineChart& chart)
      : chart_(chart), axis_(AxisOf(chart)) {
    for (const LineSeries& series : chart.series) {
      num_places_ = std::max(num_places_, series.values.size());
    }
  }

  std::string Paint() const {
    std::string svg = absl::StrFormat(
        "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n", kWidth,
        kHeight, EscapeHtml(chart_.title));
    absl::StrAppend(&svg, Text(kLeft, 16, chart_.title, "start"), Axes());
    for (const ReferenceLine& line : chart_.references) {
      absl::StrAppend(&svg, Reference(line));
    }
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      absl::StrAppend(&svg, Series(i), LegendEntry(i));
    }
    return absl::StrCat(svg, "</svg>\n");
  }

 private:
  double X(size_t place) const {
    if (num_places_ < 2) return (kLeft + kRight) / 2;
    return kLeft + (kRight - kLeft) * static_cast<double>(place) /
                       static_cast<double>(num_places_ - 1);
  }
  double Y(double value) const {
    return kBottom - (kBottom - kTop) * axis_.Place(value);
  }

  static std::string Text(double x, double y, absl::string_view text,
                          absl::string_view anchor,
                          absl::string_view css_class = "") {
    return absl::StrFormat(
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">%s"
        "</text>\n",
        x, y, anchor, css_class, EscapeHtml(text));
  }

  std::string Label(size_t place) const {
    return place < chart_.x_labels.size() ? chart_.x_labels[place]
                                          : absl::StrCat(place + 1);
  }

  std::vector<size_t> LabelledPlaces() const;
  std::string Axes() const;
  std::string Reference(const ReferenceLine& line) const;
  std::string Series(size_t number) const;
  std::string LegendEntry(size_t number) const;

  const LineChart& chart_;
  const ChartAxis axis_;
  size_t num_places_ = 0;
};

// The first and the last, and as many between them as have room, the same
// number of places apart.
std::vector<size_t> LineChartPainter::LabelledPlaces() const {
  if (num_places_ == 0) return {};
  if (num_places_ == 1) return {0};
  size_t longest = 0;
  for (size_t place = 0; place < num_places_; ++place) {
    longest = std::max(longest, Label(place).size());
  }
  const size_t last = num_places_ - 1;
  const double room =
      kLabelGap + kCharacterWidth * static_cast<double>(longest);
  size_t step = 1;
  while (step < last && (last % step != 0 || X(step) - X(0) < room)) ++step;
  std::vector<size_t> places;
  for (size_t place = 0; place <= last; place += step) places.push_back(place);
  return places;
}

std::string LineChartPainter::Axes() const {
  std::string svg;
  for (const double tick : axis_.ticks()) {
    absl::StrAppendFormat(&svg,
                          "<line x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\" "
                          "stroke=\"var(--line)\"/>\n",
                          kLeft, kRight, Y(tick), Y(tick));
    absl::StrAppend(
        &svg, Text(kLeft - 8, Y(tick) + 4, FormatTick(tick), "end", "faint"));
  }
  for (const size_t place : LabelledPlaces()) {
    absl::StrAppend(
        &svg, Text(X(place), kBottom + 18, Label(place), "middle", "faint"));
  }
  absl::StrAppend(&svg, Text((kLeft + kRight) / 2, kBottom + 36, chart_.x_name,
                             "middle", "faint"));
  return absl::StrCat(svg, Text(kRight, 16, chart_.y_name, "end", "faint"));
}

std::string LineChartPainter::Reference(const ReferenceLine& line) const {
  const double y = Y(line.value);
  return absl::StrCat(
      absl::StrFormat("<line x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\" "
                      "stroke=\"var(--faint)\" stroke-dasharray=\"4 4\"/>\n",
                      kLeft, kRight, y, y),
      Text(kRight - 4, y - 4,
           absl::StrCat(line.name, " ", FormatTick(line.value)), "end",
           "faint"));
}

std::string LineChartPainter::Series(size_t number) const {
  const LineSeries& series = chart_.series[number];
  const Pen& pen = PenOf(number);
  std::string path, points;
  bool is_drawing = false;
  for (size_t i = 0; i < series.values.size(); ++i) {
    const double value = series.values[i];
    if (!std::isfinite(value)) {
      is_drawing = false;
      continue;
    }
    absl::StrAppendFormat(&path, "%s%.1f %.1f ", is_drawing ? "L" : "M", X(i),
                          Y(value));
    is_drawing = true;
    absl::StrAppendFormat(
        &points,
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"><title>%s"
        "</title></circle>\n",
        X(i), Y(value), pen.color,
        EscapeHtml(absl::StrCat(series.name, ", ", Label(i), ": ",
                                FormatTick(value))));
  }
  return absl::StrFormat(
      "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" "
      "stroke-dasharray=\"%s\"/>\n%s",
      path, pen.color, pen.dashes, points);
}

std::string LineChartPainter::LegendEntry(size_t number) const {
  constexpr double kY = kBottom + 60, kEntryWidth = 165;
  const double x = kLeft + kEntryWidth * static_cast<double>(number % 4);
  const double y = kY + 16 * std::floor(static_cast<double>(number) / 4);
  const Pen& pen = PenOf(number);
  return absl::StrCat(
      absl::StrFormat("<line x1=\"%g\" x2=\"%g\" y1=\"%g\" y2=\"%g\" "
                      "stroke=\"%s\" stroke-width=\"2\" "
                      "stroke-dasharray=\"%s\"/>\n",
                      x, x + 26, y - 4, y - 4, pen.color, pen.dashes),
      Text(x + 32, y, chart_.series[number].name, "start"));
}

}  // namespace

std::string FormatLineChart(const LineChart& chart) {
  return LineChartPainter(chart).Paint();
}

}  // namespace moe
