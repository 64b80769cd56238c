// Writes what documents and Bazel's rules take from the registry of steps and
// from specs. experiments/described.sh puts it where it belongs.
//
//   describe steps             the table of steps, as Markdown
//   describe graphs SPEC ...   the steps of each experiment, and the steps that
//                              each of them reads, as Starlark

#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/text_proto.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {
namespace {

std::string SourceName(const steps::StepInputKind& input) {
  switch (input.source) {
    case steps::StepInputKind::kDenseModel:
      return "dense checkpoint";
    case steps::StepInputKind::kModel:
      return "checkpoint";
    case steps::StepInputKind::kDataset:
      return "dataset";
    case steps::StepInputKind::kMade:
      break;
  }
  return steps::IsCheckpoint(input.made)
             ? "checkpoint"
             : absl::StrCat("`", steps::OutputName(input.made), "`");
}

// In brackets where the step can do without.
std::string InputName(const steps::StepInputKind& input) {
  const std::string name = SourceName(input);
  return input.required ? name : absl::StrCat("[", name, "]");
}

std::string OutputCell(steps::OutputKind kind) {
  if (steps::IsCheckpoint(kind)) return "checkpoint";
  if (kind == steps::OutputKind::kEvaluation) return "report";
  return absl::StrCat("`", absl::StrJoin(steps::ArtifactsOf(kind), "`, `"),
                      "`");
}

std::string StepsTable() {
  std::string table =
      "| step | what it does | reads | makes | shards "
      "|\n|---|---|---|---|---|\n";
  for (const steps::StepKind& kind : steps::AllSteps()) {
    std::vector<std::string> reads;
    for (const steps::StepInputKind& input : kind.inputs) {
      reads.push_back(InputName(input));
    }
    absl::StrAppend(&table, "| `", kind.name, "` | ", kind.summary, " | ",
                    absl::StrJoin(reads, ", "), " | ", OutputCell(kind.made),
                    " | ", kind.can_shard ? "yes" : "", " |\n");
  }
  return table;
}

std::string ExperimentName(absl::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);  // 0 where there is no directory.
  return std::string(absl::StripSuffix(path, ".textproto"));
}

std::string GraphOf(const std::vector<PlannedStep>& steps) {
  std::string graph;
  for (const PlannedStep& step : steps) {
    std::set<std::string> reads;
    for (const StepInput& input : step.inputs) {
      if (input.source != InputSource::kStep) continue;
      reads.insert(absl::StrCat("\"", input.name, "\""));
    }
    absl::StrAppend(&graph, "        \"", step.name, "\": [",
                    absl::StrJoin(reads, ", "), "],\n");
  }
  return graph;
}

absl::StatusOr<std::string> Graphs(const std::vector<std::string>& specs) {
  std::string text = "STEP_GRAPHS = {\n";
  for (const std::string& path : specs) {
    MOE_ASSIGN_OR_RETURN(const ExperimentSpec spec,
                         ReadTextProto<ExperimentSpec>(path));
    MOE_ASSIGN_OR_RETURN(const std::vector<PlannedStep> steps, PlanSteps(spec));
    absl::StrAppend(&text, "    \"", ExperimentName(path), "\": {\n",
                    GraphOf(steps), "    },\n");
  }
  return absl::StrCat(text, "}\n");
}

absl::StatusOr<std::string> Describe(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0] == "steps") return StepsTable();
  if (words.size() > 1 && words[0] == "graphs") {
    return Graphs({words.begin() + 1, words.end()});
  }
  return absl::InvalidArgumentError(
      "describe: expected \"steps\" or \"graphs SPEC ...\"");
}

}  // namespace
}  // namespace moe::experiment

int main(int argc, char** argv) {
  const absl::StatusOr<std::string> text = moe::experiment::Describe(
      std::vector<std::string>(argv + 1, argv + argc));
  if (!text.ok()) {
    std::cerr << text.status().message() << "\n";
    return 2;
  }
  std::cout << *text;
  return 0;
}
