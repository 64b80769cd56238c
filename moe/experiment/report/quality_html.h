// How good the models of an experiment are, for people.

#ifndef MOE_EXPERIMENT_REPORT_QUALITY_HTML_H_
#define MOE_EXPERIMENT_REPORT_QUALITY_HTML_H_

#include <string>
#include <vector>

#include "moe/base/json.h"
#include "moe/experiment/report/html_section.h"

namespace moe {

// `report` is ExperimentReportToJson's. What it says at a glance: the lock, the
// criteria, the perplexity from the first evaluation to the last, the time.
std::string SummaryToHtml(const Json& report);
// Perplexities and criteria.
std::vector<HtmlSection> QualityToHtml(const Json& report);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_QUALITY_HTML_H_
