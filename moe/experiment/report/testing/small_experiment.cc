#include "moe/experiment/report/testing/small_experiment.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/report/experiment_report.h"
#include "moe/experiment/report/report_values.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_runner.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/experiment/text_proto.h"
#include "moe/kernels/numerics_contract.h"

namespace moe::experiment::testing {
namespace {

constexpr absl::string_view kSpec = R"pb(
  name: "small"
  description: "Two experts."
  model: "tiny"
  data: "stories"
  datasets { name: "all" file: "a.jsonl" }
  steps {
    name: "router"
    hidden_clustering {
      dataset: "all"
      options { num_experts: 2 }
    }
  }
  steps {
    name: "scores"
    neuron_importance { dataset: "all" gate_weights: "router" }
  }
  steps {
    name: "neurons"
    split {
      importance_scores: "scores"
      options { num_experts: 2 }
    }
  }
  steps {
    name: "mlp"
    convert_mlp {
      gate_weights: "router"
      neuron_indices: "neurons"
      options { num_experts: 2 top_k: 1 scale_factor: 2 }
    }
  }
  steps {
    name: "reference"
    hidden_distribution { dataset: "all" }
  }
  steps {
    name: "aligned"
    align { checkpoint: "mlp" distribution: "reference" dataset: "all" }
  }
  steps {
    name: "before"
    evaluate { dataset: "all" }
  }
  steps {
    name: "cut"
    evaluate { checkpoint: "mlp" dataset: "all" }
  }
  steps {
    name: "after"
    evaluate { checkpoint: "aligned" dataset: "all" }
  }
  steps {
    name: "energy"
    energy_split {
      dataset: "all"
      options { num_experts: 2 num_shared_neurons: 4 top_k: 1 }
    }
  }
  steps {
    name: "rates"
    activation_rate_split {
      dataset: "all"
      options { num_experts: 2 num_shared_neurons: 4 top_k: 1 }
    }
  }
  steps {
    name: "refitted"
    reconstruct { checkpoint: "mlp" dataset: "all" }
  }
  criteria {
    metric: "cut.perplexity"
    at_most_metric { metric: "before.perplexity" times: 4 }
  }
)pb";

const std::map<std::string, absl::string_view>& Reports() {
  static const auto* const reports =
      new std::map<std::string, absl::string_view>{
          {"router",
           R"({"artifact": "gate_weights", "layers": [
               {"layer": 0, "min_size": 3, "max_size": 9, "sizes": [5, 7],
                "routed_counts": [4, 8], "inertia": 2.5, "best_restart": 0,
                "restarts": [{"inertia": 2.5, "num_iterations": 3,
                              "has_converged": true}], "seconds": 0.1}]})"},
          {"scores", R"({"artifact": "importance_scores"})"},
          {"neurons",
           R"({"artifact": "neuron_indices", "options": {"num_experts": 2},
               "layers": [{"layer": 0, "expert_size": 8,
                           "wanted": [6, 5, 5], "taken": [0, 16, 0]}]})"},
          {"energy",
           R"({"artifact": "gate_weights", "layers": [
               {"layer": 0, "expert_size": 6, "shared_size": 4,
                "shared_share": 0.75, "captured_share": 0.5,
                "oracle_share": 0.625, "captured_by_iteration": [0.5],
                "best_iteration": 0, "least_load": 0.5, "largest_load": 1.5,
                "seconds": 0.1}]})"},
          {"rates",
           R"({"artifact": "gate_weights", "layers": [
               {"layer": 0, "expert_size": 6, "shared_size": 4,
                "shared_share": 0.5, "captured_share": 0.25,
                "oracle_share": 0.75, "iterations": 1,
                "spread_by_iteration": [0.5], "representatives": [3, 9],
                "least_load": 0.75, "largest_load": 1.25,
                "seconds": 0.1}]})"},
          {"mlp", "{}"},
          {"reference", R"({"artifact": "distribution"})"},
          {"aligned",
           R"({"artifact": "scale_factors", "alignment_mode": "exact",
               "alignment_parts": "full", "blocks": [
               {"layer": 0, "part": "mlp", "divergence_before": 0.75,
                "divergence_after": 3e-8, "num_dead_features": 0,
                "num_features_without_root": 0, "least_scale": 0.5,
                "largest_scale": 1.5, "largest_abs_bias": 0.25}]})"},
          {"refitted",
           R"({"artifact": "reconstruction", "ridge": 0.5,
               "target": "dense_block", "blocks": [
               {"layer": 0, "part": "mlp", "num_features": 16,
                "error_before": 0.5, "error_after": 0.25, "lambda": 0.125,
                "pivot_ratio": 4.0, "shared_share": 0.0,
                "captured_share": 0.625, "oracle_share": 0.75},
               {"layer": 1, "part": "attention", "num_features": 8,
                "error_before": 0.125, "error_after": 0.0625, "lambda": 0.5,
                "pivot_ratio": 2.0}]})"}};
  return *reports;
}

constexpr absl::string_view kLoad =
    R"({"artifact": "evaluation",
        "expert_load": [{"layer": 0, "mlp": [30, 10], "attention": [5, 5]}]})";

FileDigest InputFile(const std::string& name) {
  FileDigest file;
  file.set_name(name);
  file.set_bytes(10);
  file.set_sha256(std::string(64, name == "a.jsonl" ? 'a' : 'c'));
  return file;
}

std::vector<Metric> Metrics(double loss, double perplexity) {
  std::vector<Metric> metrics(4);
  metrics[0].set_name("loss");
  metrics[0].set_number(loss);
  metrics[1].set_name("perplexity");
  metrics[1].set_number(perplexity);
  metrics[2].set_name("num_predicted_tokens");
  metrics[2].set_count(662);
  metrics[3].set_name("losses_digest");
  metrics[3].set_digest(std::string(64, 'd'));
  return metrics;
}

PlannedStep Plan(const ExperimentSpec& spec, const std::string& name) {
  const absl::StatusOr<std::vector<PlannedStep>> steps = PlanSteps(spec);
  MOE_CHECK(steps.ok());
  const absl::StatusOr<PlannedStep> step = FindStep(*steps, name);
  MOE_CHECK(step.ok());
  return *step;
}

StepLock Describe(const PlannedStep& step) {
  StepLock lock;
  lock.set_name(step.name);
  lock.set_command(step.command());
  for (const StepInput& input : step.inputs) {
    StepInputDigest& digest = *lock.add_inputs();
    digest.set_flag(input.flag);
    digest.set_from(input.name);
    digest.set_sha256(DigestOfFiles(
        {InputFile(input.source == InputSource::kData    ? "a.jsonl"
                   : input.source == InputSource::kModel ? "config.json"
                                                         : "e")}));
  }
  const std::vector<std::string> arguments = steps::ArgumentsOf(step.request);
  lock.mutable_arguments()->Add(arguments.begin(), arguments.end());
  return lock;
}

const ExperimentStep& StepOf(const ExperimentSpec& spec,
                             const std::string& name) {
  const auto found = std::find_if(
      spec.steps().begin(), spec.steps().end(),
      [&](const ExperimentStep& step) { return step.name() == name; });
  MOE_CHECK(found != spec.steps().end());
  return *found;
}

}  // namespace

SmallExperiment::SmallExperiment() {
  MOE_CHECK(ParseTextProto(kSpec, "spec", spec_).ok());
  for (const ExperimentStep& step : spec_.steps()) {
    if (!step.has_evaluate()) {
      WriteStep(step, Reports().at(step.name()), {});
    }
  }
  SetEvaluation("before", 1, 2);
  SetEvaluation("cut", 2, 6);
  SetEvaluation("after", 3, 5);
}

void SmallExperiment::SetReport(const std::string& step,
                                absl::string_view report) {
  WriteStep(StepOf(spec_, step), report, {});
}

void SmallExperiment::SetEvaluation(const std::string& step, double loss,
                                    double perplexity) {
  const ExperimentStep& evaluation = StepOf(spec_, step);
  WriteStep(evaluation,
            evaluation.evaluate().checkpoint().empty() ? "{}" : kLoad,
            Metrics(loss, perplexity));
}

void SmallExperiment::SetTiming(const std::string& step, double seconds) {
  StepTiming timing;
  timing.set_wall_seconds(seconds);
  timing.set_cpu_seconds(2 * seconds);
  timing.set_peak_resident_bytes(3 << 20);
  timing.set_num_threads(2);
  timing.set_simd_target("avx2");
  timing.set_cpu("A <fast> processor");
  MOE_CHECK(
      WriteTiming(timing, TimingPath(absl::StrCat(results(), "/", step))).ok());
}

void SmallExperiment::WriteStep(const ExperimentStep& step,
                                absl::string_view report,
                                const std::vector<Metric>& metrics) {
  const PlannedStep planned = Plan(spec_, step.name());
  StepRecord record;
  record.set_numerics_contract(kernels::kNumericsContractVersion);
  StepLock& lock = *record.mutable_step();
  lock = Describe(planned);
  const std::string directory = absl::StrCat(results(), "/", step.name());
  if (metrics.empty()) {
    directory_.Write(absl::StrCat(step.name(), "/result"), step.name());
    *lock.add_files() = *DigestFile(directory, "result");
  }
  lock.mutable_metrics()->Add(metrics.begin(), metrics.end());
  const std::string file = StepReportFile(planned.output());
  if (!file.empty()) {
    directory_.Write(absl::StrCat(step.name(), "/", file), report);
    *record.add_reports() = *DigestFile(directory, file);
  }
  MOE_CHECK(WriteTextProto(record, "", RecordPath(directory)).ok());
}

ExperimentLock SmallExperiment::Lock() const {
  base::Progress progress{base::Progress::Style::kSilent, {}};
  absl::StatusOr<ExperimentLock> lock = LockOfSteps(spec_, results(), progress);
  MOE_CHECK(lock.ok());
  *lock->add_model() = InputFile("config.json");
  *lock->add_data() = InputFile("a.jsonl");
  return *lock;
}

base::Json SmallExperiment::Report(
    const std::optional<ExperimentLock>& pinned) const {
  const absl::StatusOr<base::Json> report =
      ExperimentReportToJson({spec_,
                              results(),
                              Lock(),
                              pinned,
                              {"1.2.3", "./bazelw run //x:small",
                               "llama_moe run --experiment=small.textproto"}});
  MOE_CHECK(report.ok());
  return *report;
}

}  // namespace moe::experiment::testing
