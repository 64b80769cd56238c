#include "moe/experiment/html/chart_axis.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"

namespace moe {
namespace {

constexpr int kMostSteps = 6;

// 1, 2 or 5 times a power of ten, so that at most kMostSteps make the width.
double StepFor(double width) {
  double power = std::pow(10.0, std::floor(std::log10(width / kMostSteps)));
  for (;; power *= 10.0) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (width / (factor * power) <= kMostSteps) return factor * power;
    }
  }
}

std::vector<double> LinearTicks(double low, double high) {
  if (low == high) {
    const double room = low == 0 ? 0.5 : std::abs(low) / 10;
    low -= room;
    high += room;
  }
  const double step = StepFor(high - low);
  const double first = std::floor(low / step);
  const double last = std::ceil(high / step);
  std::vector<double> ticks;
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::vector<double> LogarithmicTicks(double low, double high) {
  const auto first = static_cast<int>(std::floor(std::log10(low)));
  const auto last =
      std::max(static_cast<int>(std::ceil(std::log10(high))), first + 1);
  const int step = (last - first + kMostSteps - 1) / kMostSteps;
  std::vector<double> ticks;
  for (int i = first; i < last + step; i += step) {
    ticks.push_back(std::pow(10.0, i));
  }
  return ticks;
}

}  // namespace

ChartAxis::ChartAxis(absl::Span<const double> values, AxisScale scale)
    : scale_(scale) {
  const bool is_linear = scale == AxisScale::kLinear;
  std::vector<double> shown;
  for (const double value : values) {
    if (std::isfinite(value) && (is_linear || value > 0)) {
      shown.push_back(value);
    }
  }
  if (shown.empty())
    shown = is_linear ? std::vector<double>{0, 1} : std::vector<double>{1, 10};
  const auto [low, high] = std::minmax_element(shown.begin(), shown.end());
  ticks_ = is_linear ? LinearTicks(*low, *high) : LogarithmicTicks(*low, *high);
}

double ChartAxis::Place(double value) const {
  // Written so that NaN is at the lower end.
  if (!(value > min())) return 0;
  if (value >= max()) return 1;
  if (scale_ == AxisScale::kLinear) return (value - min()) / (max() - min());
  return std::log(value / min()) / std::log(max() / min());
}

std::string FormatTick(double value) {
  // What is left of 0 where ticks are sums.
  const std::string text = absl::StrFormat("%.6g", value);
  return text == "-0" ? "0" : text;
}

}  // namespace moe
