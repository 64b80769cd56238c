// The report of an experiment as one HTML file.

#ifndef MOE_EXPERIMENT_REPORT_REPORT_PAGE_H_
#define MOE_EXPERIMENT_REPORT_REPORT_PAGE_H_

#include <string>

#include "moe/base/json.h"

namespace moe {

// report_template.html with charts.js and `report` in it. `report` is that of
// ExperimentReportToJson. A browser runs the script of the page, which shows
// the numbers; the page asks nothing of the network. The same report gives the
// same bytes.
std::string FormatReportPage(const Json& report);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_REPORT_PAGE_H_
