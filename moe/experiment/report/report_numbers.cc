#include "moe/experiment/report/report_numbers.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "moe/base/byte_size.h"
#include "moe/base/json.h"

namespace moe {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Beyond these, powers of ten are easier to read.
constexpr double kShortest = 1e-3, kLongest = 1e12;

}  // namespace

Json NumberToJson(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

double NumberOfJson(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "inf") return kInfinity;
  if (value == "-inf") return -kInfinity;
  return std::numeric_limits<double>::quiet_NaN();
}

std::string FormatNumber(double value) {
  if (std::isnan(value)) return "not a number";
  if (value < 0) return absl::StrCat("-", FormatNumber(-value));
  if (std::isinf(value)) return "infinite";
  if (value == 0) return "0";
  if (value < kShortest || value >= kLongest) {
    return absl::StrFormat("%.2g", value);
  }
  if (value >= 999.95) return WithCommas(std::llround(value));
  // As many digits behind the point as make four in all.
  const int before = value < 1 ? 0 : static_cast<int>(std::log10(value)) + 1;
  return absl::StrFormat("%.*f", before == 0 ? 4 : 4 - before, value);
}

}  // namespace moe
