// What experts an experiment made, and how they are used, for people.

#ifndef MOE_EXPERIMENT_REPORT_EXPERTS_HTML_H_
#define MOE_EXPERIMENT_REPORT_EXPERTS_HTML_H_

#include <vector>

#include "moe/base/json.h"
#include "moe/experiment/report/html_section.h"

namespace moe {

// `report` is ExperimentReportToJson's: expert load, clusters, overlap of
// neurons, distance to the dense model's blocks. A section that the experiment
// has nothing for is empty.
std::vector<HtmlSection> ExpertsToHtml(const Json& report);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_EXPERTS_HTML_H_
