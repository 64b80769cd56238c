#include "moe/experiment/report/html_section.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/with_commas.h"
#include "moe/experiment/html/html_page.h"
#include "moe/experiment/report/report_numbers.h"

namespace moe {

std::string FormatSections(const std::vector<HtmlSection>& sections) {
  std::string html;
  for (const HtmlSection& section : sections) {
    if (section.body.empty()) continue;
    absl::StrAppend(&html, "<section id=\"", section.id, "\">\n<h2>",
                    EscapeHtml(section.title), "</h2>\n", section.body,
                    "</section>\n");
  }
  return html;
}

std::string FormatContents(const std::vector<HtmlSection>& sections) {
  std::string html = "<nav>\n";
  for (const HtmlSection& section : sections) {
    if (section.body.empty()) continue;
    absl::StrAppend(&html, "<a href=\"#", section.id, "\">",
                    EscapeHtml(section.title), "</a>\n");
  }
  return absl::StrCat(html, "</nav>\n");
}

std::string Paragraph(absl::string_view text, absl::string_view css_class) {
  return absl::StrCat(
      "<p", css_class.empty() ? "" : absl::StrCat(" class=\"", css_class, "\""),
      ">", EscapeHtml(text), "</p>\n");
}

std::string Figure(absl::string_view caption, absl::string_view html) {
  return absl::StrCat("<figure>\n<figcaption>", EscapeHtml(caption),
                      "</figcaption>\n<div class=\"scroll\">\n", html,
                      "</div>\n</figure>\n");
}

std::string FigureGrid(absl::string_view figures) {
  return absl::StrCat("<div class=\"grid\">\n", figures, "</div>\n");
}

std::string Preformatted(absl::string_view text) {
  return absl::StrCat("<pre>", EscapeHtml(text), "</pre>\n");
}

std::string Details(absl::string_view summary, absl::string_view html) {
  return absl::StrCat("<details>\n<summary>", EscapeHtml(summary),
                      "</summary>\n", html, "</details>\n");
}

std::string TextIn(const Json& object, absl::string_view field) {
  const Json* const value = FindField(object, field);
  return value != nullptr && value->is_string() ? value->get<std::string>()
                                                : "";
}

std::string NumberIn(const Json& object, absl::string_view field) {
  const Json* const value = FindField(object, field);
  return value == nullptr ? "-" : FormatNumber(NumberOfJson(*value));
}

std::string IntegerIn(const Json& object, absl::string_view field) {
  const Json* const value = FindField(object, field);
  const bool is_count = value != nullptr && value->is_number_integer() &&
                        value->get<int64_t>() >= 0;
  return is_count ? WithCommas(value->get<int64_t>()) : "-";
}

}  // namespace moe
