#include "moe/experiment/report/provenance_html.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/byte_size.h"
#include "moe/base/json.h"
#include "moe/experiment/html/bar_chart.h"
#include "moe/experiment/html/html_page.h"
#include "moe/experiment/report/html_section.h"
#include "moe/experiment/report/report_numbers.h"

namespace moe {
namespace {

// ---- Lock ----

std::string LockText(const Json& lock) {
  const std::string status = TextIn(lock, "status");
  if (status == "verified") {
    return Paragraph(
        "✓ Everything is as pinned: the numerics contract, the spec, the model "
        "and the data, each file that a step made, and each number that an "
        "evaluation gave, to the bit.",
        "good");
  }
  if (status == "differs") {
    const std::string first = TextIn(lock, "first_diverged");
    return Paragraph(
        absl::StrCat("✗ These results are not those of the lock.",
                     first.empty() ? ""
                                   : absl::StrCat(" The first step that "
                                                  "diverged is ",
                                                  first, ".")),
        "bad");
  }
  return Paragraph(status == "empty"
                       ? "The lock is empty: nothing is pinned yet, so there "
                         "is nothing that these results were held to."
                       : "There was no lock to hold these results to.");
}

std::string StatusText(const std::string& status) {
  if (status == "verified") return "✓ verified";
  if (status == "DIFFERS") return "✗ differs";
  if (status == "CHANGED") return "✗ same, from something else";
  return status;
}

// What it reads, in words: "router, calibration".
std::string ReadsText(const Json& step) {
  std::vector<std::string> names;
  for (const Json& input : step["inputs"]) {
    names.push_back(TextIn(input, "from"));
  }
  return absl::StrJoin(names, ", ");
}

std::string StepTable(const Json& steps) {
  HtmlTable table;
  table.header = {"step", "status", "command", "reads", "options"};
  table.column_classes = {"", "", "", "text", "text code"};
  for (const Json& step : steps) {
    std::vector<std::string> arguments;
    for (const Json& argument : step["arguments"]) {
      // Lines break after dashes, and flags are easier to read in one piece.
      const auto flag = argument.get<std::string>();
      arguments.emplace_back(absl::StripPrefix(flag, "--"));
    }
    table.rows.push_back({TextIn(step, "name"),
                          StatusText(TextIn(step, "status")),
                          TextIn(step, "command"), ReadsText(step),
                          absl::StrJoin(arguments, " ")});
  }
  return FormatHtmlTable(table);
}

std::string DifferencesHtml(const Json& lock) {
  if (lock["differences"].empty()) return "";
  HtmlTable table;
  table.header = {"what", "pinned", "found"};
  table.column_classes = {"text", "text code", "text code"};
  for (const Json& difference : lock["differences"]) {
    table.rows.push_back({TextIn(difference, "what"),
                          TextIn(difference, "pinned"),
                          TextIn(difference, "found")});
  }
  std::string html = FormatHtmlTable(table);
  if (lock["likely_causes"].empty()) return html;
  absl::StrAppend(&html, Paragraph("What that may come from:"), "<ul>\n");
  for (const Json& cause : lock["likely_causes"]) {
    absl::StrAppend(&html, "<li>", EscapeHtml(cause.get<std::string>()),
                    "</li>\n");
  }
  return absl::StrCat(html, "</ul>\n");
}

HtmlSection LockSection(const Json& report) {
  return {"lock", "Is it what was pinned?",
          absl::StrCat(
              Paragraph("A lock says what the experiment comes to on every "
                        "machine: the SHA-256 of all that goes in and of all "
                        "that comes out. The same bytes in, by the same "
                        "options, give the same bytes out."),
              LockText(report["lock"]), DifferencesHtml(report["lock"]),
              StepTable(report["steps"]))};
}

// ---- Timings ----

std::string MachineText(const Json& steps) {
  std::set<std::string> machines;
  for (const Json& step : steps) {
    const Json& timing = step["timing"];
    if (timing.is_null()) continue;
    const auto threads = timing["num_threads"].get<int64_t>();
    machines.insert(absl::StrCat(TextIn(timing, "cpu"), ", kernels for ",
                                 TextIn(timing, "simd_target"), ", ", threads,
                                 threads == 1 ? " thread" : " threads"));
  }
  return absl::StrJoin(machines, "; ");
}

std::string BytesText(int64_t bytes) {
  return bytes > 0 ? FormatByteSize(bytes) : "-";
}

// "in 2 parts".
std::string HowText(const Json& timing) {
  if (timing["taken"].get<bool>()) return "taken from another experiment";
  const auto parts = timing["num_parts"].get<int64_t>();
  return parts > 0 ? absl::StrCat("in ", parts, " parts") : "";
}

std::string TimingTable(const Json& steps) {
  HtmlTable table;
  table.header = {"step", "time", "processor time", "most memory", "how"};
  table.column_classes = {"", "number", "number", "number", ""};
  for (const Json& step : steps) {
    const Json& timing = step["timing"];
    if (timing.is_null()) {
      table.rows.push_back({TextIn(step, "name"), "-", "-", "-", "not known"});
      continue;
    }
    table.rows.push_back(
        {TextIn(step, "name"),
         FormatSeconds(NumberOfJson(timing["wall_seconds"])),
         FormatSeconds(NumberOfJson(timing["cpu_seconds"])),
         BytesText(timing["peak_resident_bytes"].get<int64_t>()),
         HowText(timing)});
  }
  return FormatHtmlTable(table);
}

HtmlSection TimingSection(const Json& steps) {
  HtmlSection section = {"timings", "How long it took", ""};
  BarChart chart;
  chart.title = "seconds of each step";
  for (const Json& step : steps) {
    if (step["timing"].is_null()) continue;
    const double seconds = NumberOfJson(step["timing"]["wall_seconds"]);
    chart.bars.push_back(
        {TextIn(step, "name"), seconds, FormatSeconds(seconds)});
  }
  if (chart.bars.empty()) {
    section.body = Paragraph("No timings were recorded beside these results.");
    return section;
  }
  section.body = absl::StrCat(
      Paragraph(absl::StrCat(
          "Measured when each step ran; a step that was there already keeps "
          "its time. Memory is the most that the whole process had meanwhile. "
          "No result depends on any of it. Machine: ",
          MachineText(steps), ".")),
      Figure("Time of each step, in seconds.", FormatBarChart(chart)),
      TimingTable(steps));
  return section;
}

// ---- Digests ----

void AddFiles(const Json& files, const std::string& of, const char* role,
              HtmlTable& table) {
  for (const Json& file : files) {
    table.rows.push_back({of, TextIn(file, "name"), role,
                          FormatByteSize(file["bytes"].get<int64_t>()),
                          TextIn(file, "sha256")});
  }
}

void AddWhole(const Json& input, const char* what, HtmlTable& table) {
  const std::string digest = TextIn(input, "sha256");
  table.rows.push_back({TextIn(input, "name"), what, "input", "-",
                        digest.empty() ? "not known" : digest});
}

HtmlTable FileTable() {
  HtmlTable table;
  table.header = {"of", "file", "what", "size", "SHA-256"};
  table.column_classes = {"", "", "", "number", "digest"};
  return table;
}

HtmlSection DigestSection(const Json& report) {
  const Json& inputs = report["inputs"];
  HtmlTable in = FileTable();
  AddWhole(inputs["spec"], "(the spec, without description)", in);
  AddWhole(inputs["model"], "(the model, all files)", in);
  AddFiles(inputs["model"]["files"], TextIn(inputs["model"], "name"), "input",
           in);
  AddWhole(inputs["data"], "(the data, all files)", in);
  AddFiles(inputs["data"]["files"], TextIn(inputs["data"], "name"), "input",
           in);
  HtmlTable out = FileTable();
  for (const Json& step : report["steps"]) {
    AddFiles(step["files"], TextIn(step, "name"), "result", out);
    AddFiles(step["reports"], TextIn(step, "name"), "report", out);
  }
  HtmlTable losses = {{"evaluation", "SHA-256 of the losses"}, {}};
  losses.column_classes = {"", "digest"};
  for (const Json& evaluation : report["evaluations"]) {
    losses.rows.push_back(
        {TextIn(evaluation, "step"), TextIn(evaluation, "losses_digest")});
  }
  return {"digests", "Every file, by its digest",
          absl::StrCat(
              Paragraph(
                  "sha256sum of a file gives its digest. That of several files "
                  "is the digest of the lines that sha256sum prints for them, "
                  "sorted by name. Results are pinned; reports tell about a "
                  "step, may have times in them, and are not."),
              Details("What went in", FormatHtmlTable(in)),
              Details("What came out", FormatHtmlTable(out)),
              losses.rows.empty()
                  ? ""
                  : Details("The loss of every token, of each evaluation",
                            FormatHtmlTable(losses)))};
}

// ---- Again ----

HtmlSection ReproduceSection(const Json& report) {
  const Json& reproduce = report["reproduce"];
  const std::string bazel = TextIn(reproduce, "bazel");
  std::string body = Paragraph(absl::StrCat(
      "Made by llama_moe ", TextIn(reproduce, "version"), " under version ",
      IntegerIn(reproduce, "numerics_contract"),
      " of the numerics contract, which says that results depend on the bytes "
      "of model and data and on the options alone: not on the processor, the "
      "number of threads, or the memory."));
  if (!bazel.empty()) {
    absl::StrAppend(&body,
                    Paragraph("In the project's repository, everything at "
                              "once, held to its lock:"),
                    Preformatted(bazel));
  }
  absl::StrAppend(
      &body,
      Paragraph(absl::StrCat(
          bazel.empty() ? "On" : "Or without Bazel, on",
          " the same model and data, which the digests above tell, with their "
          "folders for MODEL and DATA:")),
      Preformatted(TextIn(reproduce, "llama_moe")),
      Paragraph("The spec, all of it; saved as a file, it is what "
                "--experiment takes:"),
      Details(absl::StrCat(TextIn(report, "experiment"), ".textproto"),
              Preformatted(TextIn(reproduce, "spec"))));
  return {"reproduce", "How to make it again", body};
}

}  // namespace

std::vector<HtmlSection> ProvenanceToHtml(const Json& report) {
  return {LockSection(report), TimingSection(report["steps"]),
          DigestSection(report), ReproduceSection(report)};
}

}  // namespace moe
