#include "moe/experiment/report/report_page.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "moe/base/json.h"
#include "moe/experiment/report/report_template.h"

namespace moe {

std::string FormatReportPage(const Json& report) {
  // In JSON a "<" stands within texts only. Escaped, no text can end the
  // element that holds it, nor begin a comment.
  const std::string json =
      absl::StrReplaceAll(FormatJson(report), {{"<", "\\u003c"}});
  return absl::StrReplaceAll(kReportTemplate,
                             {{"CHARTS_JS", kCharts}, {"REPORT_JSON", json}});
}

}  // namespace moe
