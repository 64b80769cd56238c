// Reports as one HTML file: nothing in it comes from the network.

#ifndef MOE_EXPERIMENT_HTML_HTML_PAGE_H_
#define MOE_EXPERIMENT_HTML_HTML_PAGE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace moe {

// The text as HTML shows it, in an element or in a quoted attribute. Bytes that
// are not UTF-8 are left as they are.
std::string EscapeHtml(absl::string_view text);

// A whole document in UTF-8 with its style, for light and dark screens and for
// paper. `body` is HTML; `title` is text, and the heading too; `more_style` is
// CSS that a page has beside what all have.
std::string FormatHtmlPage(absl::string_view title, absl::string_view body,
                           absl::string_view more_style = "");

// Cells are text. Columns whose cells are all numbers, or empty, stand to the
// right. Every row has as many cells as the header: CHECK.
struct HtmlTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  // Of CSS, for the cells of the columns from the first on; may be fewer than
  // there are columns, and empty.
  std::vector<std::string> column_classes = {};
};
std::string FormatHtmlTable(const HtmlTable& table);

}  // namespace moe

#endif  // MOE_EXPERIMENT_HTML_HTML_PAGE_H_
