// A matrix of numbers as shades, as inline SVG.

#ifndef MOE_EXPERIMENT_HTML_HEAT_MAP_H_
#define MOE_EXPERIMENT_HTML_HEAT_MAP_H_

#include <string>

#include "moe/checkpoint/artifact/matrix.h"

namespace moe {

struct HeatMap {
  std::string title;
  std::string row_name, col_name;  // "layer", "expert"
  Matrix<double> values;           // NaN where there is none.
  std::string value_name;          // "share of tokens"
};

// <svg>: a cell for each number, the darker the nearer to the largest of all;
// 0 is the lightest. Its title says row, column and number. Text is escaped.
// Numbers must not be negative: CHECK.
std::string FormatHeatMap(const HeatMap& map);

}  // namespace moe

#endif  // MOE_EXPERIMENT_HTML_HEAT_MAP_H_
