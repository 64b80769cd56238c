#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "moe/base/atomic_write.h"
#include "moe/base/available_memory.h"
#include "moe/base/byte_size.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/matrix_view.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/evaluate_loss.h"
#include "moe/evaluate/evaluate_options.pb.h"
#include "moe/evaluate/expert_load.h"
#include "moe/kernels/numerics_contract.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/token_sequences.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/output_path.h"
#include "tools/cli/version.h"
#include "tools/cli/walk_session.h"

namespace moe::cli {
namespace {

// What the report says that it is of.
constexpr char kReportName[] = "evaluation";

struct EvaluateFlags {
  WalkFlags walk;
  std::string numerics = "exact";
  std::string device = "cpu";
  bool bfloat16_products = false;
  std::string logits_out;
  std::string report_out;
  int64_t num_logits_sequences = 4;
  bool overwrite = false;
  bool json = false;
};

EvaluateOptions OptionsOf(const EvaluateFlags& flags) {
  EvaluateOptions options;
  options.set_numerics(flags.numerics == "aten" ? EvaluateOptions::ATEN
                                                : EvaluateOptions::EXACT);
  options.set_device(flags.device == "cuda" ? EvaluateOptions::CUDA
                                            : EvaluateOptions::CPU);
  options.set_bfloat16_products(flags.bfloat16_products);
  if (!flags.logits_out.empty()) {
    options.set_num_logits_sequences(flags.num_logits_sequences);
  }
  return options;
}

// What is evaluated.
struct EvaluateTask {
  Model& model;
  const TokenSequences& sequences;
  EvaluateOptions options;
  WalkResources resources;
};

// Logits of the first sequences go to the file as they come: data in the order
// logits.0, logits.1, ..., input_ids.0, ... The section is entered before the
// file gets its name.
absl::StatusOr<LossEvaluation> EvaluateAndWriteLogits(
    const EvaluateFlags& flags, const EvaluateTask& task,
    std::optional<MutationSection>& section) {
  const TokenSequences& sequences = task.sequences;
  const int64_t count =
      std::min(task.options.num_logits_sequences(), sequences.num_sequences());
  std::vector<TensorSpec> specs;
  for (int64_t s = 0; s < count; ++s) {
    const auto length = static_cast<int64_t>(sequences.input_ids(s).size());
    specs.push_back({absl::StrCat("logits.", s),
                     Dtype::kF32,
                     {length, task.model.config().vocab_size}});
  }
  for (int64_t s = 0; s < count; ++s) {
    const auto length = static_cast<int64_t>(sequences.input_ids(s).size());
    specs.push_back({absl::StrCat("input_ids.", s), Dtype::kI32, {length}});
  }
  absl::StatusOr<LossEvaluation> evaluation = absl::InternalError("not run");
  const auto write = [&](WritableFile& file) -> absl::Status {
    MOE_ASSIGN_OR_RETURN(
        SafetensorsWriter writer,
        SafetensorsWriter::Create(file, specs,
                                  {{"tool_version", kToolVersion},
                                   {"step", "evaluate"},
                                   {"numerics", flags.numerics}}));
    const LogitsSink sink = [&](MatrixView<const float> rows) {
      return writer.Append(absl::string_view(
          reinterpret_cast<const char*>(rows.data),
          static_cast<size_t>(rows.rows * rows.cols) * sizeof(float)));
    };
    evaluation = EvaluateLoss(task.model, sequences, task.options, SingleWalk(),
                              sink, task.resources);
    MOE_RETURN_IF_ERROR(evaluation.status());
    for (int64_t s = 0; s < count; ++s) {
      const auto ids = sequences.input_ids(s);
      MOE_RETURN_IF_ERROR(writer.Append(
          absl::string_view(reinterpret_cast<const char*>(ids.data()),
                            ids.size() * sizeof(int32_t))));
    }
    section.emplace();
    return writer.Finish();
  };
  MOE_RETURN_IF_ERROR(
      WriteFileAtomically(flags.logits_out, flags.overwrite, write));
  return evaluation;
}

struct Timing {
  double sec = 0.0;
  double tokens_per_sec = 0.0;
};

// The same wherever it runs.
Json ResultToJson(const EvaluateFlags& flags, const LoadedDataset& dataset,
                  const LossEvaluation& evaluation) {
  Json json = Json::object();
  json["numerics"] = flags.numerics;
  if (flags.numerics == "exact") {
    json["numerics_contract"] = kNumericsContractVersion;
    json["losses_digest"] = evaluation.losses_digest;
  }
  json["loss"] = evaluation.mean_loss;
  json["perplexity"] = evaluation.perplexity;
  json["num_sequences"] = evaluation.num_sequences;
  json["num_tokens"] = evaluation.num_tokens;
  json["num_predicted_tokens"] = evaluation.num_predicted_tokens;
  json["tokens_digest"] = dataset.batches.Digest();
  if (!evaluation.expert_loads.empty()) {
    json["expert_load"] = ExpertLoadToJson(evaluation.expert_loads);
  }
  json["dataset"] = DatasetReportToJson(dataset.report);
  return json;
}

void AddTiming(const Timing& timing, Json& json) {
  json["seconds"] = timing.sec;
  json["tokens_per_sec"] = timing.tokens_per_sec;
  json["peak_resident_bytes"] = PeakResidentBytes();
}

absl::Status WriteReport(const EvaluateFlags& flags, const Json& result) {
  if (flags.report_out.empty()) return absl::OkStatus();
  Json report = Json::object();
  report["artifact"] = kReportName;
  report.update(result);
  const std::string text = FormatJson(report);
  return WriteFileAtomically(
      flags.report_out, flags.overwrite,
      [&](WritableFile& file) { return file.Append(text); });
}

void PrintTable(const EvaluateFlags& flags, const LoadedDataset& dataset,
                const LossEvaluation& evaluation, const Timing& timing,
                CommandContext& context) {
  const auto line = [&](absl::string_view name, absl::string_view value) {
    context.out << absl::StreamFormat("  %-34s %s\n", name, value);
  };
  context.out << flags.walk.model_path << " on " << flags.walk.dataset.dataset
              << ":\n";
  line("loss", absl::StrFormat("%.9f", evaluation.mean_loss));
  line("perplexity", absl::StrFormat("%.6g", evaluation.perplexity));
  line("predicted tokens", absl::StrCat(evaluation.num_predicted_tokens));
  line("tokens", absl::StrCat(evaluation.num_tokens));
  line("sequences", absl::StrCat(evaluation.num_sequences));
  line("tokens sha256", dataset.batches.Digest());
  if (flags.numerics == "exact") {
    line("losses sha256", evaluation.losses_digest);
  } else {
    line("numerics", "aten: not the same bits everywhere");
  }
  line("tokens per second", absl::StrFormat("%.1f", timing.tokens_per_sec));
  line("seconds", absl::StrFormat("%.2f", timing.sec));
  line("peak memory", FormatByteSize(PeakResidentBytes()));
  context.out << FormatExpertLoad(evaluation.expert_loads)
              << FormatDatasetReport(dataset.report);
}

// What can be wrong with the flags, before anything is opened.
absl::Status CheckFlags(const EvaluateFlags& flags) {
  MOE_RETURN_IF_ERROR(ValidateEvaluateOptions(OptionsOf(flags)));
  MOE_RETURN_IF_ERROR(SimdTargetFromEnvironment().status());
  if (!flags.report_out.empty()) {
    MOE_RETURN_IF_ERROR(
        CheckOutputFile({"--report_out", flags.report_out, flags.overwrite,
                         "report of an evaluation", "evaluation.report.json",
                         [](const std::string& path) {
                           return IsReportOf(path, kReportName);
                         }}));
  }
  if (flags.logits_out.empty()) return absl::OkStatus();
  return CheckOutputFile({"--logits_out", flags.logits_out, flags.overwrite,
                          "file of logits", "logits.safetensors",
                          SafetensorsWith("step", "evaluate")});
}

absl::StatusOr<int> Run(const EvaluateFlags& flags, CommandContext& context) {
  MOE_RETURN_IF_ERROR(CheckFlags(flags));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AnyWalkSession> session,
                       AnyWalkSession::Open(flags.walk, context.progress));
  const EvaluateTask task = {session->model(), session->sequences(),
                             OptionsOf(flags), session->resources()};
  const absl::Time start = absl::Now();
  // A signal ends the command before all its files are there or after.
  std::optional<MutationSection> section;
  MOE_ASSIGN_OR_RETURN(
      const LossEvaluation evaluation,
      flags.logits_out.empty()
          ? EvaluateLoss(task.model, task.sequences, task.options, SingleWalk(),
                         nullptr, task.resources)
          : EvaluateAndWriteLogits(flags, task, section));
  const double sec = absl::ToDoubleSeconds(absl::Now() - start);
  const Timing timing = {sec, static_cast<double>(evaluation.num_tokens) / sec};
  Json result = ResultToJson(flags, session->dataset(), evaluation);
  MOE_RETURN_IF_ERROR(WriteReport(flags, result));
  section.reset();
  if (flags.json) {
    AddTiming(timing, result);
    context.out << FormatJson(result);
  } else {
    PrintTable(flags, session->dataset(), evaluation, timing, context);
  }
  return kSuccess;
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<EvaluateFlags>();
  AddWalkFlags(set, &flags->walk,
               "directory of a checkpoint, dense or with experts");
  set.AddChoice({.names = {"numerics"},
                 .what = "exact gives the same bits everywhere; aten runs "
                         "LibTorch's operators"},
                {"exact", "aten"}, &flags->numerics);
  set.AddChoice({.names = {"device"},
                 .what = "where to compute; cuda with --numerics=aten"},
                {"cpu", "cuda"}, &flags->device);
  set.AddBool({.names = {"bfloat16_products"},
               .what = "multiply in bfloat16; with --numerics=aten"},
              &flags->bfloat16_products);
  set.AddString({.names = {"logits_out"},
                 .what = "safetensors file for the logits of the first "
                         "sequences, as logits.N and input_ids.N",
                 .path = PathRole::kOutputFile},
                &flags->logits_out);
  set.AddInt({.names = {"num_logits_sequences"},
              .what = "how many of them",
              .unit = "sequences"},
             {.min = 1}, &flags->num_logits_sequences);
  set.AddString({.names = {"report_out"},
                 .what = "file for the result as JSON, without timings: the "
                         "same wherever it runs",
                 .path = PathRole::kOutputFile},
                &flags->report_out);
  set.AddBool(
      {.names = {"overwrite"}, .what = "replace --logits_out and --report_out"},
      &flags->overwrite);
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command EvaluateCommand() {
  return {
      .name = "evaluate",
      .aliases = {},
      .summary =
          "computes loss and perplexity of a model on a dataset, and "
          "the load of experts",
      .section = CommandSection::kHelper,
      .notes =
          "The loss is the mean cross entropy over all labels: every token "
          "but the first of a text,\nthe assistant's tokens of a "
          "conversation. With exact numerics, loss, perplexity and "
          "losses\nsha256 depend on the bytes of model and dataset alone: "
          "not on MOE_NUM_THREADS, the\nprocessor or --memory_budget. The load "
          "of an expert is the number of tokens that chose it,\nof "
          "top_k choices each. Exit status: 0, or 2 on an error.\n",
      .declare = Declare};
}

}  // namespace moe::cli
