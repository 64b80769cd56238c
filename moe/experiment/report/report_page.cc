#include "moe/experiment/report/report_page.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "moe/base/json.h"
#include "moe/experiment/html/html_page.h"
#include "moe/experiment/report/experts_html.h"
#include "moe/experiment/report/html_section.h"
#include "moe/experiment/report/provenance_html.h"
#include "moe/experiment/report/quality_html.h"

namespace moe {
namespace {

constexpr char kStyle[] = R"(
h1, h2, figcaption, p, li { overflow-wrap: anywhere; }
p { max-width: 46rem; }
.lead { font-size: 1.1rem; }
.faint, figcaption, summary { color: var(--faint); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1.4rem 0; }
a { color: var(--accent); }
.cards { display: grid; gap: .8rem; margin: 1.4rem 0;
  grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); }
.card { background: var(--shade); border-left: 4px solid var(--line);
  border-radius: 4px; display: flex; flex-direction: column;
  padding: .7rem 1rem; overflow-wrap: anywhere; }
.card strong { color: var(--ink); font-size: 1.35rem; }
.card span { color: var(--faint); font-size: .87rem; }
.card.good { border-color: var(--good); } .card.bad { border-color: var(--bad); }
.card.bad strong { color: var(--bad); }
.grid { display: grid; gap: 0 2rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
figure { margin: 1rem 0; min-width: 0; }
figcaption { font-size: .9rem; margin-bottom: .4rem; }
.scroll { overflow-x: auto; }
.scroll svg { margin: 0; }
svg.heat { max-width: none; }
svg:not(.heat):not(.bars) { min-width: 36rem; }
svg .cell { font-size: 10.5px; } svg .on { fill: var(--ground); }
svg text { font-variant-numeric: tabular-nums; }
table { font-size: .9rem; margin: .8rem 0; }
td { white-space: nowrap; }
td.text { min-width: 12rem; white-space: normal; }
td.digest, td.code { font: 12px/1.5 ui-monospace, monospace; }
td.code { overflow-wrap: anywhere; }
td.digest { min-width: 15rem; overflow-wrap: anywhere; white-space: normal; }
.checks { list-style: none; padding: 0; }
.checks b { margin-right: .5rem; }
.checks .good, .checks .bad { color: var(--ink); }
.checks .good b { color: var(--good); } .checks .bad b { color: var(--bad); }
details { margin: .6rem 0; } summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
footer { border-top: 1px solid var(--line); color: var(--faint);
  font-size: .87rem; margin-top: 3rem; padding: .8rem 0; }
@media print { nav { display: none; } section { break-inside: auto; } }
)";

std::string Introduction(const Json& report) {
  const Json& inputs = report["inputs"];
  const std::string description = TextIn(report, "description");
  return absl::StrCat(
      description.empty() ? "" : Paragraph(description, "lead"),
      Paragraph(absl::StrCat(
          "An experiment turns a dense language model, here ",
          TextIn(inputs["model"], "name"),
          ", into one with experts, a Mixture of Experts, of which each token "
          "uses a few only; it does so by a fixed chain of steps, here on the "
          "data ",
          TextIn(inputs["data"], "name"),
          ", and measures what that costs in quality. This page says what came "
          "out, whether it is what was pinned, and how to make it again.")));
}

}  // namespace

std::string FormatReportPage(const Json& report) {
  std::vector<HtmlSection> sections = QualityToHtml(report);
  for (HtmlSection& section : ExpertsToHtml(report)) {
    sections.push_back(section);
  }
  for (HtmlSection& section : ProvenanceToHtml(report)) {
    sections.push_back(section);
  }
  return FormatHtmlPage(
      absl::StrCat("Experiment ", TextIn(report, "experiment")),
      absl::StrCat(Introduction(report), SummaryToHtml(report),
                   FormatContents(sections), FormatSections(sections),
                   "<footer>Written by llama_moe ",
                   EscapeHtml(TextIn(report["reproduce"], "version")),
                   ". All numbers are in report.json beside this file, with "
                   "every digit.</footer>\n"),
      kStyle);
}

}  // namespace moe
