// Numbers of a report: as JSON, which has no infinity, and as people read them.

#ifndef MOE_EXPERIMENT_REPORT_REPORT_NUMBERS_H_
#define MOE_EXPERIMENT_REPORT_REPORT_NUMBERS_H_

#include <string>

#include "moe/base/json.h"

namespace moe {

// The number; "inf", "-inf" or "nan" where it is none that JSON has.
Json NumberToJson(double value);
// The other way. NaN for what is neither, null too.
double NumberOfJson(const Json& value);

// Four digits that count, and all before the point: "1.278", "22,462,800",
// "3.1e-08", "infinite", "not a number".
std::string FormatNumber(double value);
// "0.4 ms", "120 ms", "1.25 s", "12.5 s", "3 min 20 s", "2 h 5 min".
std::string FormatSeconds(double seconds);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_REPORT_NUMBERS_H_
