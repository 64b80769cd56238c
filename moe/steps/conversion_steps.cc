// convert_mixtral, convert_mixtral_residual, convert_mixtral_attn_moe and
// export: a checkpoint from another.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "moe/base/options/options.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/conversion_report.h"
#include "moe/convert/convert_attention.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/export_checkpoint.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/piece_stream.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

using ::google::protobuf::Message;

constexpr char kIndicesFlag[] = "neuron_indices_file";
constexpr char kAttentionGatesFlag[] = "attn_gate_weights_file";

constexpr char kNotes[] =
    "Every weight of an expert is a dense weight, bit for bit; only routers "
    "are new. Given router weights are F32 and are rounded to the checkpoint's "
    "type, to nearest even, but with --router_dtype=float32. The new "
    "checkpoint has the shards of the old one, its tokenizer and the Python "
    "code with which transformers loads it (trust_remote_code=True). It "
    "appears at --save_path whole or not at all.";

// Nothing where the file is not given.
template <typename Artifact>
absl::StatusOr<std::optional<Artifact>> ReadGiven(const std::string& path) {
  if (path.empty()) return std::optional<Artifact>();
  MOE_ASSIGN_OR_RETURN(Artifact artifact,
                       checkpoint::ReadArtifact<Artifact>(path));
  return std::optional<Artifact>(std::move(artifact));
}

template <typename Artifact>
const Artifact* PointerTo(const std::optional<Artifact>& artifact) {
  return artifact.has_value() ? &*artifact : nullptr;
}

using Conversion = std::function<absl::StatusOr<StepOutcome>(
    const checkpoint::Checkpoint&, const convert::ConversionOutput&,
    const convert::ConversionResources&)>;

// Opens the checkpoint and converts it with the threads of MOE_NUM_THREADS.
absl::StatusOr<StepOutcome> Convert(const StepRequest& request,
                                    base::Progress& progress,
                                    const Conversion& convert) {
  MOE_ASSIGN_OR_RETURN(
      const convert::ConversionOutput output,
      ConversionOutputOf(request.OutputAs<CheckpointOutput>()));
  MOE_ASSIGN_OR_RETURN(const int num_threads,
                       base::NumThreadsFromEnvironment());
  MOE_ASSIGN_OR_RETURN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open(request.Path(kModelPathFlag)));
  base::ThreadPool pool(num_threads);
  return convert(checkpoint, output, {pool, progress});
}

absl::StatusOr<StepOutcome> RunMlp(const StepRequest& request,
                                   base::Progress& progress) {
  const auto& options = request.OptionsAs<MlpConversionOptions>();
  const std::string gates_path = request.Path(kGatesFlag);
  const std::string indices_path = request.Path(kIndicesFlag);
  MOE_ASSIGN_OR_RETURN(const std::optional<checkpoint::GateWeights> gates,
                       ReadGiven<checkpoint::GateWeights>(gates_path));
  MOE_ASSIGN_OR_RETURN(const std::optional<checkpoint::NeuronIndices> indices,
                       ReadGiven<checkpoint::NeuronIndices>(indices_path));
  const convert::MlpArtifacts given = {PointerTo(gates), gates_path,
                                       PointerTo(indices), indices_path};
  const convert::ConversionSources sources = {gates_path, indices_path,
                                              options.seed()};
  return Convert(
      request, progress,
      [&](const checkpoint::Checkpoint& dense,
          const convert::ConversionOutput& output,
          const convert::ConversionResources& resources)
          -> absl::StatusOr<StepOutcome> {
        MOE_ASSIGN_OR_RETURN(
            const convert::MlpConversion conversion,
            convert::ConvertMlp(dense, options, given, output, resources));
        return StepOutcome{
            convert::MlpConversionToJson(output.path, conversion, sources),
            convert::FormatMlpConversion(output.path, conversion, sources)};
      });
}

absl::StatusOr<StepOutcome> RunAttention(const StepRequest& request,
                                         base::Progress& progress) {
  const auto& options = request.OptionsAs<AttentionConversionOptions>();
  const std::string path = request.Path(kAttentionGatesFlag);
  MOE_ASSIGN_OR_RETURN(const std::optional<checkpoint::GateWeights> gates,
                       ReadGiven<checkpoint::GateWeights>(path));
  const convert::AttentionArtifacts given = {PointerTo(gates), path};
  const convert::ConversionSources sources = {path, /*neuron_indices_path=*/"",
                                              options.seed()};
  return Convert(
      request, progress,
      [&](const checkpoint::Checkpoint& from,
          const convert::ConversionOutput& output,
          const convert::ConversionResources& resources)
          -> absl::StatusOr<StepOutcome> {
        MOE_ASSIGN_OR_RETURN(
            const convert::AttentionConversion conversion,
            convert::ConvertAttention(from, options, given, output, resources));
        return StepOutcome{convert::AttentionConversionToJson(
                               output.path, conversion, sources),
                           convert::FormatAttentionConversion(
                               output.path, conversion, sources)};
      });
}

absl::StatusOr<StepOutcome> RunExport(const StepRequest& request,
                                      base::Progress& progress) {
  const auto& options = request.OptionsAs<ExportOptions>();
  return Convert(
      request, progress,
      [&](const checkpoint::Checkpoint& from,
          const convert::ConversionOutput& output,
          const convert::ConversionResources& resources)
          -> absl::StatusOr<StepOutcome> {
        MOE_ASSIGN_OR_RETURN(
            const convert::ExportedCheckpoint exported,
            convert::ExportCheckpoint(from, options, output, resources));
        return StepOutcome{convert::ExportToJson(output.path, exported),
                           convert::FormatExport(output.path, exported)};
      });
}

// Routed experts are as large as R of them are with a residual expert.
void MlpCost(const CostedStep& step, CostModel& model) {
  MlpConversionOptions options = step.OptionsAs<MlpConversionOptions>();
  const double residual = model.num_residual(step.reads.at(kIndicesFlag));
  if (!options.has_num_experts()) {
    const int64_t num_clusters = model.num_clusters(step.reads.at(kGatesFlag));
    if (num_clusters > 0) options.set_num_experts(num_clusters);
  }
  options = convert::WithPublishedSettings(options, nullptr, nullptr);
  model.Convert();
  model.share(step.name).mlp =
      model.Mixed((static_cast<double>(options.top_k()) + residual) /
                      (static_cast<double>(options.num_experts()) + residual),
                  options.num_moe_contract_layers());
}

void AttentionCost(const CostedStep& step, CostModel& model) {
  const auto& options = step.OptionsAs<AttentionConversionOptions>();
  model.Convert();
  ActiveShare& share = model.share(step.name);
  share.mlp = model.share(step.reads.at(kModelPathFlag)).mlp;
  share.attention = model.Mixed(
      std::min(1.0, static_cast<double>(options.top_k_attn()) /
                        static_cast<double>(model.config().num_key_value_heads *
                                            options.attn_split())),
      options.num_moe_contract_layers());
}

StepKind ConvertMlpKind(MlpConversionOptions::Kind which) {
  const bool residual = which == MlpConversionOptions::RESIDUAL;
  StepKind kind;
  kind.notes = kNotes;
  kind.field = "convert_mlp";
  kind.inputs = {
      DenseModelInput(),
      {.flag = kGatesFlag,
       .source = StepInputKind::kMade,
       .field = "gate_weights",
       .made = OutputKind::kGateWeights,
       .what = residual ? "router weights, .safetensors or .pt, of which the "
                          "first num_experts rows are taken"
                        : "router weights, .safetensors or .pt; without them, "
                          "routers are drawn by --seed",
       .required = residual},
      {.flag = kIndicesFlag,
       .source = StepInputKind::kMade,
       .field = "neuron_indices",
       .made = OutputKind::kNeuronIndices,
       .what = residual
                   ? "neurons of each expert and of the residual expert, "
                     ".safetensors or .pt"
                   : "neurons of each expert, .safetensors or .pt; without "
                     "them, experts are even cuts of the neurons in order",
       .required = residual}};
  auto options = std::make_shared<MlpConversionOptions>();
  options->set_kind(which);
  kind.options = options;
  kind.output = std::make_shared<CheckpointOutput>();
  // A residual conversion draws nothing.
  if (residual) kind.left_out = {"seed"};
  kind.validate = [](const Message& message) {
    return convert::ValidateMlpConversionOptions(
        static_cast<const MlpConversionOptions&>(message));
  };
  kind.run = RunMlp;
  kind.cost = MlpCost;
  return kind;
}

}  // namespace

StepKind MlpConversionKind() {
  StepKind kind = ConvertMlpKind(MlpConversionOptions::VANILLA);
  kind.name = "convert_mixtral";
  kind.summary = "cuts the MLPs of a dense checkpoint into experts";
  return kind;
}

StepKind ResidualMlpConversionKind() {
  StepKind kind = ConvertMlpKind(MlpConversionOptions::RESIDUAL);
  kind.name = "convert_mixtral_residual";
  kind.summary =
      "the same, with an expert in each layer that every token takes";
  return kind;
}

StepKind AttentionConversionKind() {
  StepKind kind;
  kind.name = "convert_mixtral_attn_moe";
  kind.summary = "cuts the attention of a checkpoint into experts";
  kind.notes =
      "There are --attn_split experts for each KV head, each with its share of "
      "the head's query heads. The MLPs stay as they are: experts, or dense. "
      "Every weight of an expert is a dense weight, bit for bit; given router "
      "weights are F32 and are rounded to the checkpoint's type, to nearest "
      "even. The checkpoint appears at --save_path whole or not at all.";
  kind.field = "convert_attention";
  kind.inputs = {ModelInput("MoE or dense checkpoint directory"),
                 {.flag = kAttentionGatesFlag,
                  .source = StepInputKind::kMade,
                  .field = "gate_weights",
                  .made = OutputKind::kGateWeights,
                  .what = "router weights, .safetensors or .pt; without them, "
                          "routers are drawn by --seed",
                  .required = false}};
  kind.options = std::make_shared<AttentionConversionOptions>();
  kind.output = std::make_shared<CheckpointOutput>();
  kind.validate = [](const Message& message) {
    return convert::ValidateAttentionConversionOptions(
        static_cast<const AttentionConversionOptions&>(message));
  };
  kind.run = RunAttention;
  kind.cost = AttentionCost;
  return kind;
}

StepKind ExportKind() {
  StepKind kind;
  kind.name = "export";
  kind.summary =
      "writes an MoE checkpoint that transformers loads without our code";
  kind.notes =
      "The scale factor goes into the experts' last matrix: exactly where it "
      "is a power of two, else rounded to the checkpoint's type, and it says "
      "how often. Attention experts and biases of experts have no place in any "
      "target and are refused, and so is what the chosen target cannot hold.";
  kind.inputs = {ModelInput("MoE checkpoint directory")};
  kind.options = std::make_shared<ExportOptions>();
  kind.output = std::make_shared<CheckpointOutput>();
  kind.run = RunExport;
  kind.is_helper = true;
  return kind;
}

}  // namespace moe::steps
