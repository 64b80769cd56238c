// evaluate: loss and perplexity of a model on a dataset, and the load of
// experts.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "moe/base/atomic_write.h"
#include "moe/base/byte_size.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/evaluate_loss.h"
#include "moe/evaluate/evaluate_options.pb.h"
#include "moe/evaluate/reference_divergence.h"
#include "moe/kernels/numerics_contract.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::steps {
namespace {

// What the report says that it is of.
constexpr char kReportName[] = "evaluation";
constexpr char kReferenceModelFlag[] = "reference_model_path";

bool IsExact(const StepRequest& request) {
  return request.OptionsAs<EvaluateOptions>().numerics() ==
         EvaluateOptions::EXACT;
}

std::string NumericsOf(const StepRequest& request) {
  return IsExact(request) ? "exact" : "aten";
}

// The logits of the first sequences go to --logits_out as they come: data in
// the order logits.0, logits.1, ..., input_ids.0, ...
class LogitsFile {
 public:
  LogitsFile(const text::TokenSequences& sequences, int64_t max_sequences)
      : sequences_(sequences),
        count_(std::min(max_sequences, sequences.num_sequences())) {}

  // Evaluates into the file. The section is entered before the file gets its
  // name.
  absl::StatusOr<evaluate::LossEvaluation> Write(
      const StepRequest& request, AnyWalkSession& session,
      model::Model* reference,
      std::optional<base::MutationSection>& section) const {
    const auto& output = request.OutputAs<EvaluationOutput>();
    absl::StatusOr<evaluate::LossEvaluation> evaluation =
        absl::InternalError("not run");
    const auto write = [&](base::WritableFile& file) -> absl::Status {
      MOE_ASSIGN_OR_RETURN(checkpoint::SafetensorsWriter writer,
                           checkpoint::SafetensorsWriter::Create(
                               file, Specs(session.model().config()),
                               {{"tool_version", kToolVersion},
                                {"step", "evaluate"},
                                {"numerics", NumericsOf(request)}}));
      evaluation = Evaluate(request, session, reference, writer);
      MOE_RETURN_IF_ERROR(evaluation.status());
      MOE_RETURN_IF_ERROR(AppendIds(writer));
      section.emplace();
      return writer.Finish();
    };
    MOE_RETURN_IF_ERROR(base::WriteFileAtomically(output.logits_out(),
                                                  output.overwrite(), write));
    return evaluation;
  }

 private:
  int64_t LengthOf(int64_t sequence) const {
    return static_cast<int64_t>(sequences_.input_ids(sequence).size());
  }

  std::vector<checkpoint::TensorSpec> Specs(
      const checkpoint::LlamaConfig& config) const {
    std::vector<checkpoint::TensorSpec> specs;
    for (int64_t s = 0; s < count_; ++s) {
      specs.push_back({absl::StrCat("logits.", s),
                       checkpoint::Dtype::kF32,
                       {LengthOf(s), config.vocab_size}});
    }
    for (int64_t s = 0; s < count_; ++s) {
      specs.push_back({absl::StrCat("input_ids.", s),
                       checkpoint::Dtype::kI32,
                       {LengthOf(s)}});
    }
    return specs;
  }

  absl::StatusOr<evaluate::LossEvaluation> Evaluate(
      const StepRequest& request, AnyWalkSession& session,
      model::Model* reference, checkpoint::SafetensorsWriter& writer) const {
    const evaluate::LogitsSink sink = [&](base::MatrixView<const float> rows) {
      return writer.Append(absl::string_view(
          reinterpret_cast<const char*>(rows.data),
          static_cast<size_t>(rows.rows * rows.cols) * sizeof(float)));
    };
    return evaluate::EvaluateLoss(
        session.model(), sequences_, request.OptionsAs<EvaluateOptions>(),
        SingleWalk(), {sink, reference}, session.resources());
  }

  absl::Status AppendIds(checkpoint::SafetensorsWriter& writer) const {
    for (int64_t s = 0; s < count_; ++s) {
      const auto ids = sequences_.input_ids(s);
      MOE_RETURN_IF_ERROR(writer.Append(
          absl::string_view(reinterpret_cast<const char*>(ids.data()),
                            ids.size() * sizeof(int32_t))));
    }
    return absl::OkStatus();
  }

  const text::TokenSequences& sequences_;
  const int64_t count_;
};

struct Timing {
  double sec = 0.0;
  double tokens_per_sec = 0.0;
};

// The same wherever it runs.
base::Json ResultToJson(const StepRequest& request,
                        const text::LoadedDataset& dataset,
                        const evaluate::LossEvaluation& evaluation) {
  base::Json json = base::Json::object();
  json["numerics"] = NumericsOf(request);
  if (IsExact(request)) {
    json["numerics_contract"] = kernels::kNumericsContractVersion;
    json["losses_digest"] = evaluation.losses_digest;
  }
  json["loss"] = evaluation.mean_loss;
  json["perplexity"] = evaluation.perplexity;
  json["num_sequences"] = evaluation.num_sequences;
  json["num_tokens"] = evaluation.num_tokens;
  json["num_predicted_tokens"] = evaluation.num_predicted_tokens;
  json["tokens_digest"] = dataset.batches.Digest();
  if (evaluation.divergence.has_value()) {
    json.update(evaluate::ReferenceDivergenceToJson(*evaluation.divergence));
  }
  if (!evaluation.expert_loads.empty()) {
    json["expert_load"] = evaluate::ExpertLoadToJson(evaluation.expert_loads);
  }
  json["dataset"] = text::DatasetReportToJson(dataset.report);
  return json;
}

absl::Status WriteReport(const EvaluationOutput& output,
                         const base::Json& result) {
  if (output.report_out().empty()) return absl::OkStatus();
  base::Json report = base::Json::object();
  report["artifact"] = kReportName;
  report.update(result);
  const std::string text = base::FormatJson(report);
  return base::WriteFileAtomically(
      output.report_out(), output.overwrite(),
      [&](base::WritableFile& file) { return file.Append(text); });
}

std::string FormatDivergence(
    const StepRequest& request,
    const std::optional<evaluate::ReferenceDivergence>& found) {
  if (!found.has_value()) return "";
  return absl::StrCat(
      FormatLine("reference", request.Path(kReferenceModelFlag)),
      FormatLine("KL divergence", absl::StrFormat("%.6g nats", found->mean)),
      FormatLine("at 50, 90, 99 %",
                 absl::StrFormat("%.4g, %.4g, %.4g", found->median,
                                 found->quantile_90, found->quantile_99)),
      FormatLine("same first choice",
                 absl::StrFormat("%.2f %%", 100.0 * found->agreement())));
}

std::string Table(const StepRequest& request,
                  const text::LoadedDataset& dataset,
                  const evaluate::LossEvaluation& evaluation,
                  const Timing& timing) {
  return absl::StrCat(
      request.Path(kModelPathFlag), " on ", request.Path(kDatasetFlag), ":\n",
      FormatLine("loss", absl::StrFormat("%.9f", evaluation.mean_loss)),
      FormatLine("perplexity", absl::StrFormat("%.6g", evaluation.perplexity)),
      FormatDivergence(request, evaluation.divergence),
      FormatLine("predicted tokens",
                 absl::StrCat(evaluation.num_predicted_tokens)),
      FormatLine("tokens", absl::StrCat(evaluation.num_tokens)),
      FormatLine("sequences", absl::StrCat(evaluation.num_sequences)),
      FormatLine("tokens sha256", dataset.batches.Digest()),
      IsExact(request)
          ? FormatLine("losses sha256", evaluation.losses_digest)
          : FormatLine("numerics", "aten: not the same bits everywhere"),
      FormatLine("tokens per second",
                 absl::StrFormat("%.1f", timing.tokens_per_sec)),
      FormatLine("seconds", absl::StrFormat("%.2f", timing.sec)),
      FormatLine("peak memory",
                 base::FormatByteSize(base::PeakResidentBytes())),
      evaluate::FormatExpertLoad(evaluation.expert_loads),
      text::FormatDatasetReport(dataset.report));
}

void AddTiming(const Timing& timing, base::Json& json) {
  json["seconds"] = timing.sec;
  json["tokens_per_sec"] = timing.tokens_per_sec;
  json["peak_resident_bytes"] = base::PeakResidentBytes();
}

// What can be wrong with the outputs, before anything is opened.
absl::Status CheckOutputs(const EvaluationOutput& output) {
  MOE_RETURN_IF_ERROR(kernels::SimdTargetFromEnvironment().status());
  if (!output.report_out().empty()) {
    MOE_RETURN_IF_ERROR(
        CheckOutputFile({"--report_out", output.report_out(),
                         output.overwrite(), "report of an evaluation",
                         "evaluation.report.json", [](const std::string& path) {
                           return IsReportOf(path, kReportName);
                         }}));
  }
  if (output.logits_out().empty()) return absl::OkStatus();
  return CheckOutputFile({"--logits_out", output.logits_out(),
                          output.overwrite(), "file of logits",
                          "logits.safetensors",
                          SafetensorsWith("step", "evaluate")});
}

absl::StatusOr<StepOutcome> Evaluate(const StepRequest& request,
                                     base::Progress& progress) {
  const auto& options = request.OptionsAs<EvaluateOptions>();
  const auto& output = request.OutputAs<EvaluationOutput>();
  MOE_RETURN_IF_ERROR(CheckOutputs(output));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AnyWalkSession> session,
                       AnyWalkSession::Open(request, progress));
  std::optional<model::Model> reference;
  if (!request.Path(kReferenceModelFlag).empty()) {
    MOE_ASSIGN_OR_RETURN(reference,
                         model::Model::Open(request.Path(kReferenceModelFlag)));
  }
  model::Model* const reference_model =
      reference.has_value() ? &*reference : nullptr;
  const absl::Time start = absl::Now();
  // A signal ends the command before all its files are there or after.
  std::optional<base::MutationSection> section;
  MOE_ASSIGN_OR_RETURN(
      const evaluate::LossEvaluation evaluation,
      output.logits_out().empty()
          ? evaluate::EvaluateLoss(
                session->model(), session->sequences(), options, SingleWalk(),
                {nullptr, reference_model}, session->resources())
          : LogitsFile(session->sequences(), options.num_logits_sequences())
                .Write(request, *session, reference_model, section));
  const double sec = absl::ToDoubleSeconds(absl::Now() - start);
  const Timing timing = {sec, static_cast<double>(evaluation.num_tokens) / sec};
  base::Json result = ResultToJson(request, session->dataset(), evaluation);
  MOE_RETURN_IF_ERROR(WriteReport(output, result));
  section.reset();
  AddTiming(timing, result);
  return StepOutcome{result,
                     Table(request, session->dataset(), evaluation, timing)};
}

void CostEvaluation(const CostedStep& step, CostModel& model) {
  const std::string& dataset = step.reads.at(kDatasetFlag);
  model.Walk(dataset, model.share(step.reads.at(kModelPathFlag)));
  model.step().flops += model.HeadFlops(dataset);
  const auto reference = step.reads.find(kReferenceModelFlag);
  if (reference == step.reads.end()) return;
  model.Walk(dataset, model.share(reference->second));
  model.step().flops += 2 * model.HeadFlops(dataset);
}

}  // namespace

StepKind EvaluationKind() {
  StepKind kind;
  kind.name = "evaluate";
  kind.summary =
      "computes loss and perplexity of a model on a dataset, the load of "
      "experts, and the divergence from a reference";
  kind.notes =
      "The loss is the mean cross entropy over all labels: every token but the "
      "first of a text, the assistant's tokens of a conversation. With exact "
      "numerics, loss, perplexity and losses sha256 are the same on every "
      "machine. The load of an expert is the number of tokens that chose it, "
      "of top_k choices each. With --reference_model_path, also how far the "
      "predictions are from that model's: the Kullback-Leibler divergence of "
      "each predicted token's probabilities, its mean and its 50, 90 and 99 % "
      "quantiles, and how often both models' first choice is the same.";
  kind.field = "evaluate";
  kind.inputs = {ModelInput("directory of a checkpoint, dense or with experts"),
                 DatasetInput(),
                 {.flag = kReferenceModelFlag,
                  .source = StepInputKind::kModel,
                  .field = "reference",
                  .what = "checkpoint that the predictions are compared with, "
                          "mostly the dense model",
                  .required = false}};
  kind.made = OutputKind::kEvaluation;
  kind.options = std::make_shared<EvaluateOptions>();
  kind.output = std::make_shared<EvaluationOutput>();
  kind.validate = [](const google::protobuf::Message& options) {
    return evaluate::ValidateEvaluateOptions(
        static_cast<const EvaluateOptions&>(options));
  };
  kind.run = Evaluate;
  kind.cost = CostEvaluation;
  kind.is_helper = true;
  return kind;
}

}  // namespace moe::steps
