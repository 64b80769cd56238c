// Lines over steps, as inline SVG.

#ifndef MOE_EXPERIMENT_HTML_LINE_CHART_H_
#define MOE_EXPERIMENT_HTML_LINE_CHART_H_

#include <string>
#include <vector>

#include "moe/experiment/html/chart_axis.h"

namespace moe {

struct LineSeries {
  std::string name;
  // One for each place from left to right; NaN where there is none.
  std::vector<double> values;
};

// A level that the lines are to be read against.
struct ReferenceLine {
  std::string name;
  double value = 0;
};

struct LineChart {
  std::string title;
  std::string x_name, y_name;
  // What places are called where the pointer is over them; "1", "2", ... for
  // those beyond the list.
  std::vector<std::string> x_labels;
  // Up to four have colours of their own.
  std::vector<LineSeries> series;
  std::vector<ReferenceLine> references;
  AxisScale scale = AxisScale::kLinear;
};

// <svg>, readable without colours: each line has its own dashes, each point its
// series, place and value as a title. Text is escaped.
std::string FormatLineChart(const LineChart& chart);

}  // namespace moe

#endif  // MOE_EXPERIMENT_HTML_LINE_CHART_H_
