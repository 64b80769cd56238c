// The axis of a chart: from values to places.

#ifndef MOE_EXPERIMENT_HTML_CHART_AXIS_H_
#define MOE_EXPERIMENT_HTML_CHART_AXIS_H_

#include <string>
#include <vector>

#include "absl/types/span.h"

namespace moe {

enum class AxisScale { kLinear, kLogarithmic };

class ChartAxis {
 public:
  // Holds all finite values (of a logarithmic axis, those above 0) and ends at
  // ticks, which are 1, 2 or 5 times a power of ten apart, or powers of ten.
  // Without any value, from 0 to 1, or 1 to 10.
  ChartAxis(absl::Span<const double> values, AxisScale scale);

  // From 0 at the lower end to 1 at the upper one. Of a value beyond them, or
  // one that is no number, the nearer end: the lower one.
  double Place(double value) const;

  double min() const { return ticks_.front(); }
  double max() const { return ticks_.back(); }
  // In ascending order; two at least.
  const std::vector<double>& ticks() const { return ticks_; }

 private:
  AxisScale scale_;
  std::vector<double> ticks_;
};

// "0.05", "1,000", "2e-07": what a tick is called.
std::string FormatTick(double value);

}  // namespace moe

#endif  // MOE_EXPERIMENT_HTML_CHART_AXIS_H_
