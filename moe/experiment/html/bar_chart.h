// Numbers with names as bars, as inline SVG.

#ifndef MOE_EXPERIMENT_HTML_BAR_CHART_H_
#define MOE_EXPERIMENT_HTML_BAR_CHART_H_

#include <string>
#include <vector>

#include "moe/experiment/html/chart_axis.h"

namespace moe {

struct Bar {
  std::string name;
  double value = 0;  // One that is no number has no bar.
  std::string text;  // What the value is called: "1.25 s".
};

struct BarChart {
  std::string title;  // For those who do not see it.
  std::vector<Bar> bars;
  // Bars start at 0, or at a power of ten at or below all values.
  AxisScale scale = AxisScale::kLinear;
};

// <svg> as wide as there is room, with a bar below each name. Text is escaped.
std::string FormatBarChart(const BarChart& chart);

}  // namespace moe

#endif  // MOE_EXPERIMENT_HTML_BAR_CHART_H_
