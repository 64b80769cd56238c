#include "moe/experiment/report/quality_html.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/experiment/html/bar_chart.h"
#include "moe/experiment/html/chart_axis.h"
#include "moe/experiment/html/html_page.h"
#include "moe/experiment/report/html_section.h"
#include "moe/experiment/report/report_numbers.h"

namespace moe {
namespace {

struct Card {
  const char* css_class;
  std::string name, value, note;
};

std::string FormatCard(const Card& card) {
  return absl::StrCat(
      "<div class=\"card ", card.css_class, "\"><span class=\"faint\">",
      EscapeHtml(card.name), "</span><strong>", EscapeHtml(card.value),
      "</strong><span>", EscapeHtml(card.note), "</span></div>\n");
}

std::string Count(int64_t count, absl::string_view what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

Card LockCard(const Json& report) {
  const Json& lock = report["lock"];
  const std::string status = TextIn(lock, "status");
  if (status == "verified") {
    return {"good", "Same as pinned?", "Verified",
            absl::StrCat(
                "every file and number of ",
                Count(static_cast<int64_t>(report["steps"].size()), "step"))};
  }
  if (status == "differs") {
    const std::string first = TextIn(lock, "first_diverged");
    return {"bad", "Same as pinned?", "Differs",
            first.empty() ? "the inputs are not those of the lock"
                          : absl::StrCat("first at step ", first)};
  }
  return {"", "Same as pinned?", "Not pinned",
          status == "empty" ? "the lock is empty" : "there is no lock"};
}

Card CriteriaCard(const Json& criteria) {
  int64_t met = 0;
  for (const Json& criterion : criteria) met += criterion["met"].get<bool>();
  const auto all = static_cast<int64_t>(criteria.size());
  if (all == 0) return {"", "Criteria", "None", "nothing was asked for"};
  return {met == all ? "good" : "bad", "Criteria",
          absl::StrCat(met, " of ", all, " met"),
          met == all ? "good enough by the spec" : "not good enough"};
}

Card PerplexityCard(const Json& evaluations) {
  if (evaluations.empty()) {
    return {"", "Perplexity", "-", "nothing was evaluated"};
  }
  const Json& first = evaluations.front();
  const Json& last = evaluations.back();
  const std::string from = NumberIn(first, "perplexity");
  if (evaluations.size() == 1) {
    return {"", "Perplexity", from, TextIn(first, "description")};
  }
  return {"", "Perplexity",
          absl::StrCat(from, " \u2192 ", NumberIn(last, "perplexity")),
          absl::StrCat("from ", TextIn(first, "step"), " to ",
                       TextIn(last, "step"))};
}

Card TimeCard(const Json& steps) {
  double seconds = 0;
  int64_t known = 0;
  for (const Json& step : steps) {
    if (step["timing"].is_null()) continue;
    seconds += NumberOfJson(step["timing"]["wall_seconds"]);
    ++known;
  }
  if (known == 0) return {"", "Time", "-", "not recorded"};
  const auto all = static_cast<int64_t>(steps.size());
  return {"", "Time", FormatSeconds(seconds),
          known == all
              ? absl::StrCat("for ", Count(all, "step"))
              : absl::StrCat("for ", known, " of ", Count(all, "step"))};
}

// "mlp", or "dense model".
std::string ModelName(const Json& evaluation) {
  const std::string checkpoint = TextIn(evaluation, "checkpoint");
  return checkpoint.empty() ? "dense model" : checkpoint;
}

std::string PerplexityTable(const Json& evaluations) {
  HtmlTable table;
  // On a narrow screen the numbers are what is seen first.
  table.header = {"evaluation",       "model", "perplexity", "× dense", "loss",
                  "tokens predicted", "data",  "what it is"};
  table.column_classes = {"",       "",       "number", "number",
                          "number", "number", "",       "text"};
  for (const Json& evaluation : evaluations) {
    table.rows.push_back(
        {TextIn(evaluation, "step"), ModelName(evaluation),
         NumberIn(evaluation, "perplexity"),
         NumberIn(evaluation, "times_dense"), NumberIn(evaluation, "loss"),
         IntegerIn(evaluation, "num_predicted_tokens"),
         TextIn(evaluation, "dataset"), TextIn(evaluation, "description")});
  }
  return FormatHtmlTable(table);
}

std::string PerplexityChart(const Json& evaluations) {
  BarChart chart;
  chart.title = "perplexity of each model";
  chart.scale = AxisScale::kLogarithmic;
  for (const Json& evaluation : evaluations) {
    chart.bars.push_back({absl::StrCat(ModelName(evaluation), " (",
                                       TextIn(evaluation, "step"), ")"),
                          NumberOfJson(evaluation["perplexity"]),
                          NumberIn(evaluation, "perplexity")});
  }
  return Figure(
      "Perplexity of each model; each line to the right is a power of ten.",
      FormatBarChart(chart));
}

// A sentence for each aligned model that was also evaluated before: whether
// that made it better.
std::string AlignmentFindings(const Json& evaluations) {
  std::string html;
  for (const Json& aligned : evaluations) {
    const std::string from = TextIn(aligned, "aligned_from");
    for (const Json& before : evaluations) {
      if (from.empty() || TextIn(before, "checkpoint") != from ||
          TextIn(before, "dataset") != TextIn(aligned, "dataset")) {
        continue;
      }
      const bool is_better = NumberOfJson(aligned["perplexity"]) <
                             NumberOfJson(before["perplexity"]);
      absl::StrAppend(
          &html,
          Paragraph(absl::StrCat(
              "After alignment: the perplexity of ", ModelName(aligned), ", ",
              NumberIn(aligned, "perplexity"), ", is ",
              is_better ? "better" : "not better", " than that of ", from, ", ",
              NumberIn(before, "perplexity"), ", from which it was made.")));
    }
  }
  return html;
}

HtmlSection PerplexitySection(const Json& evaluations) {
  HtmlSection section = {"perplexity", "How good the models are", ""};
  if (evaluations.empty()) return section;
  section.body = absl::StrCat(
      Paragraph(
          "Perplexity tells how unsure a model is of the next token: as unsure "
          "as if it chose among so many with equal chances. Lower is better, "
          "and 1 would be a model that is always sure, and right. The loss is "
          "its natural logarithm, in nats for each predicted token. No model "
          "was trained on the way: conversion and alignment use the dense "
          "model's weights only."),
      PerplexityChart(evaluations), AlignmentFindings(evaluations),
      PerplexityTable(evaluations));
  return section;
}

HtmlSection CriteriaSection(const Json& criteria) {
  std::string body;
  if (criteria.empty()) {
    body = Paragraph("The spec sets no criteria.");
  } else {
    body = Paragraph(
        "What the spec asks of the results. An experiment that fails one of "
        "them fails as a whole, even if its bytes are those of the lock.");
    absl::StrAppend(&body, "<ul class=\"checks\">\n");
    for (const Json& criterion : criteria) {
      const bool met = criterion["met"].get<bool>();
      absl::StrAppend(&body, "<li class=\"", met ? "good" : "bad", "\"><b>",
                      met ? "✓ met" : "✗ not met", "</b> ",
                      EscapeHtml(TextIn(criterion, "sentence")), "</li>\n");
    }
    absl::StrAppend(&body, "</ul>\n");
  }
  return {"criteria", "Is it good enough?", std::move(body)};
}

}  // namespace

std::string SummaryToHtml(const Json& report) {
  return absl::StrCat("<div class=\"cards\">\n", FormatCard(LockCard(report)),
                      FormatCard(CriteriaCard(report["criteria"])),
                      FormatCard(PerplexityCard(report["evaluations"])),
                      FormatCard(TimeCard(report["steps"])), "</div>\n");
}

std::vector<HtmlSection> QualityToHtml(const Json& report) {
  return {PerplexitySection(report["evaluations"]),
          CriteriaSection(report["criteria"])};
}

}  // namespace moe
