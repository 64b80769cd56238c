// What was run, whether it is what was pinned, how long it took, and how to run
// it again, for people.

#ifndef MOE_EXPERIMENT_REPORT_PROVENANCE_HTML_H_
#define MOE_EXPERIMENT_REPORT_PROVENANCE_HTML_H_

#include <vector>

#include "moe/base/json.h"
#include "moe/experiment/report/html_section.h"

namespace moe {

// `report` is ExperimentReportToJson's.
std::vector<HtmlSection> ProvenanceToHtml(const Json& report);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_PROVENANCE_HTML_H_
