// Pieces of the report's page.

#ifndef MOE_EXPERIMENT_REPORT_HTML_SECTION_H_
#define MOE_EXPERIMENT_REPORT_HTML_SECTION_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/base/json.h"

namespace moe {

// A part of the page under a heading of its own. Without a body it is left out.
struct HtmlSection {
  std::string id;     // "perplexity", for links within the page.
  std::string title;  // Text.
  std::string body;   // HTML.
};
std::string FormatSections(const std::vector<HtmlSection>& sections);
// Links to them.
std::string FormatContents(const std::vector<HtmlSection>& sections);

// <p> of text.
std::string Paragraph(absl::string_view text, absl::string_view css_class = "");
// <figure> of HTML under a caption of text; it scrolls where it is wider than
// the screen.
std::string Figure(absl::string_view caption, absl::string_view html);
// Figures beside each other where there is room.
std::string FigureGrid(absl::string_view figures);
// <pre>.
std::string Preformatted(absl::string_view text);
// Can be opened.
std::string Details(absl::string_view summary, absl::string_view html);

// The field's text; empty where it is none.
std::string TextIn(const Json& object, absl::string_view field);
// The field as FormatNumber has it; "-" where it is absent or null.
std::string NumberIn(const Json& object, absl::string_view field);

// "12,345"; "-" where it is absent or no whole number of 0 or more.
std::string IntegerIn(const Json& object, absl::string_view field);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_HTML_SECTION_H_
