// The report of an experiment as one HTML file.

#ifndef MOE_EXPERIMENT_REPORT_REPORT_PAGE_H_
#define MOE_EXPERIMENT_REPORT_REPORT_PAGE_H_

#include <string>

#include "moe/base/json.h"

namespace moe {

// Of ExperimentReportToJson's report. It needs no network and no script, and
// says nothing that the report does not.
std::string FormatReportPage(const Json& report);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_REPORT_PAGE_H_
