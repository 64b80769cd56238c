#include "moe/base/byte_size.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace moe::base {
namespace {

struct Unit {
  absl::string_view name;
  double num_bytes;
};

// "B" last: every other name ends with it.
constexpr std::array<Unit, 9> kUnits = {{
    {"KiB", 1024.0},
    {"MiB", 1024.0 * 1024},
    {"GiB", 1024.0 * 1024 * 1024},
    {"TiB", 1024.0 * 1024 * 1024 * 1024},
    {"KB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"TB", 1e12},
    {"B", 1.0},
}};

absl::Status Malformed(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected an amount of memory, a number and a unit such as "
                   "2GiB, 512MiB or "
                   "1.5GB, found \"",
                   text, "\""));
}

}  // namespace

absl::StatusOr<int64_t> ParseByteSize(absl::string_view text) {
  absl::string_view number = absl::StripAsciiWhitespace(text);
  double factor = 1.0;
  for (const Unit& unit : kUnits) {
    if (absl::EndsWithIgnoreCase(number, unit.name)) {
      factor = unit.num_bytes;
      number.remove_suffix(unit.name.size());
      break;
    }
  }
  number = absl::StripAsciiWhitespace(number);
  // SimpleAtod also takes "inf", "nan" and hexadecimal; an amount has only
  // digits and a point.
  if (number.empty() ||
      number.find_first_not_of("0123456789.") != absl::string_view::npos) {
    return Malformed(text);
  }
  double value = 0;
  if (!absl::SimpleAtod(number, &value)) return Malformed(text);
  const double num_bytes = std::floor(value * factor);
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (!(num_bytes < kLimit)) return Malformed(text);
  return static_cast<int64_t>(num_bytes);
}

std::string FormatByteSize(int64_t num_bytes) {
  constexpr std::array<absl::string_view, 5> kNames = {"B", "KiB", "MiB", "GiB",
                                                       "TiB"};
  if (num_bytes < 1024) return absl::StrCat(num_bytes, " B");
  double value = static_cast<double>(num_bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  const int decimals = value < 10 ? 2 : (value < 100 ? 1 : 0);
  return absl::StrFormat("%.*f %s", decimals, value, kNames[unit]);
}

}  // namespace moe::base
