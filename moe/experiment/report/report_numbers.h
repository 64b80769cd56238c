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
// "3.1e-08", "infinite", "not a number". The script of report_template.html has
// a function that gives the same.
std::string FormatNumber(double value);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_REPORT_NUMBERS_H_
