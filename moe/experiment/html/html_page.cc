#include "moe/experiment/html/html_page.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/check.h"

namespace moe {
namespace {

constexpr char kStyle[] = R"(
:root { color-scheme: light dark; --ink: #1a1c20; --faint: #6b7280;
  --line: #d4d8de; --ground: #ffffff; --shade: #f5f6f8; --accent: #1f5fa8;
  --second: #b4551d; --third: #2f7d4f; --fourth: #7a4ca0; --bad: #b3261e;
  --good: #2f7d4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb;
  --faint: #9aa3af; --line: #3a4048; --ground: #16181c; --shade: #1f2227;
  --accent: #7db3ef; --second: #f0a070; --third: #79c99a; --fourth: #c4a0e6;
  --bad: #f2867e; --good: #79c99a; } }
body { color: var(--ink); background: var(--ground); margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem;
  text-align: left; vertical-align: top; }
th { background: var(--shade); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--shade); overflow-x: auto; padding: .7rem 1rem; }
svg { display: block; height: auto; margin: .8rem 0; max-width: 100%; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .faint { fill: var(--faint); }
.bad { color: var(--bad); } .good { color: var(--good); }
@media print { body { margin: 0; max-width: none; } }
)";

// "1,234", "-0.5%", "2.1e-5"; and what stands for no number.
bool IsNumber(absl::string_view text) {
  const std::string digits =
      absl::StrReplaceAll(absl::StripSuffix(text, "%"), {{",", ""}});
  double value = 0;
  return text.empty() || text == "-" || absl::SimpleAtod(digits, &value);
}

std::vector<bool> NumberColumns(const HtmlTable& table) {
  std::vector<bool> is_number(table.header.size(), !table.rows.empty());
  for (const std::vector<std::string>& row : table.rows) {
    MOE_CHECK(row.size() == table.header.size());
    for (size_t i = 0; i < row.size(); ++i) {
      is_number[i] = is_number[i] && IsNumber(row[i]);
    }
  }
  return is_number;
}

std::vector<std::string> ClassesOf(const HtmlTable& table) {
  const std::vector<bool> is_number = NumberColumns(table);
  std::vector<std::string> classes = table.column_classes;
  classes.resize(table.header.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes[i].empty() && is_number[i]) classes[i] = "number";
  }
  return classes;
}

std::string FormatRow(const std::vector<std::string>& cells,
                      const std::vector<std::string>& classes,
                      absl::string_view element) {
  std::string html = "<tr>";
  for (size_t i = 0; i < cells.size(); ++i) {
    absl::StrAppend(&html, "<", element);
    if (!classes[i].empty()) {
      absl::StrAppend(&html, " class=\"", classes[i], "\"");
    }
    absl::StrAppend(&html, ">", EscapeHtml(cells[i]), "</", element, ">");
  }
  return absl::StrCat(html, "</tr>\n");
}

}  // namespace

std::string EscapeHtml(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"},
                                    {"<", "&lt;"},
                                    {">", "&gt;"},
                                    {"\"", "&quot;"},
                                    {"'", "&#39;"}});
}

std::string FormatHtmlPage(absl::string_view title, absl::string_view body,
                           absl::string_view more_style) {
  const std::string escaped = EscapeHtml(title);
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
      "<meta name=\"viewport\" content=\"width=device-width, ",
      "initial-scale=1\">\n<title>", escaped, "</title>\n<style>", kStyle,
      more_style, "</style>\n</head>\n<body>\n<h1>", escaped, "</h1>\n", body,
      "</body>\n</html>\n");
}

std::string FormatHtmlTable(const HtmlTable& table) {
  const std::vector<std::string> classes = ClassesOf(table);
  std::string html =
      absl::StrCat("<table>\n<thead>\n", FormatRow(table.header, classes, "th"),
                   "</thead>\n<tbody>\n");
  for (const std::vector<std::string>& row : table.rows) {
    absl::StrAppend(&html, FormatRow(row, classes, "td"));
  }
  return absl::StrCat(html, "</tbody>\n</table>\n");
}

}  // namespace moe
