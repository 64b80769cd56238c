// A matrix of numbers as shades, as inline SVG.

#ifndef MOE_EXPERIMENT_HTML_HEAT_MAP_H_
#define MOE_EXPERIMENT_HTML_HEAT_MAP_H_

#include <functional>
#include <string>
#include <vector>

#include "moe/base/matrix.h"

namespace moe {

struct HeatMap {
  std::string title;               // For those who do not see it.
  std::string row_name, col_name;  // "layer", "expert"
  Matrix<double> values;           // NaN where there is none.
  std::string value_name;          // "share of tokens"
  // What rows are called; "0", "1", ... for those beyond the list.
  std::vector<std::string> row_labels = {};
  // Of a number, in its cell where there is room, and where the pointer is;
  // FormatTick without.
  std::function<std::string(double)> format = {};
};

// <svg> in its own size: a cell for each number, its colour the stronger the
// nearer to the largest of all; 0 is the lightest. Its title says row, column
// and number, and a scale below what the shades mean. Text is escaped. Numbers
// must not be negative: CHECK.
std::string FormatHeatMap(const HeatMap& map);

}  // namespace moe

#endif  // MOE_EXPERIMENT_HTML_HEAT_MAP_H_
