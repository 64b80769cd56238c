#include "moe/steps/step_kind.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "moe/base/check.h"
#include "moe/base/memory_budget.h"
#include "moe/base/options/options.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/steps/output_options.pb.h"

namespace moe::steps {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

constexpr char kSeed[] = "seed";

void Append(const std::vector<std::string>& from,
            std::vector<std::string>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

// Flags of what is set, and of nothing else.
std::vector<std::string> SetFlags(const Message& options) {
  std::vector<std::string> flags;
  for (const FieldDescriptor* field : base::OptionFields(options)) {
    if (!options.GetReflection()->HasField(options, field)) continue;
    flags.push_back(absl::StrCat("--", field->name(), "=",
                                 base::OptionText(options, *field)));
  }
  return flags;
}

std::vector<std::string> ShardFlags(const StepRequest& request) {
  if (!request.merge.empty()) {
    std::vector<std::string> words = {"--merge"};
    Append(request.merge, words);
    return words;
  }
  if (!request.shard.has_num_shards()) return {};
  return {absl::StrCat("--shards=", request.shard.num_shards()),
          absl::StrCat("--shard=", request.shard.shard())};
}

}  // namespace

absl::string_view OutputName(OutputKind kind) {
  switch (kind) {
    case OutputKind::kGateWeights:
      return "gate_weights";
    case OutputKind::kImportanceScores:
      return "importance_scores";
    case OutputKind::kNeuronIndices:
      return "neuron_indices";
    case OutputKind::kDistribution:
      return "distribution";
    case OutputKind::kCheckpoint:
      return "checkpoint";
    case OutputKind::kAlignedCheckpoint:
      return "aligned_checkpoint";
    case OutputKind::kReconstructedCheckpoint:
      return "reconstructed_checkpoint";
    case OutputKind::kNarrowCheckpoint:
      return "narrow_checkpoint";
    case OutputKind::kEvaluation:
      return "evaluation";
    case OutputKind::kRouterAndNeurons:
      return "router_and_neurons";
  }
  MOE_CHECK(false);
  return "";
}

std::string OutputFile(OutputKind kind) {
  if (IsCheckpoint(kind) || kind == OutputKind::kRouterAndNeurons) return "";
  return absl::StrCat(OutputName(kind), kind == OutputKind::kEvaluation
                                            ? ".report.json"
                                            : ".safetensors");
}

std::vector<absl::string_view> ArtifactsOf(OutputKind kind) {
  if (IsCheckpoint(kind) || kind == OutputKind::kEvaluation) return {};
  if (kind == OutputKind::kRouterAndNeurons) {
    return {OutputName(OutputKind::kGateWeights),
            OutputName(OutputKind::kNeuronIndices)};
  }
  return {OutputName(kind)};
}

bool Provides(OutputKind made, OutputKind wanted) {
  if (IsCheckpoint(wanted)) return IsCheckpoint(made);
  if (made == OutputKind::kRouterAndNeurons) {
    return wanted == OutputKind::kGateWeights ||
           wanted == OutputKind::kNeuronIndices;
  }
  return made == wanted;
}

bool IsCheckpoint(OutputKind kind) {
  return kind == OutputKind::kCheckpoint ||
         kind == OutputKind::kAlignedCheckpoint ||
         !CheckpointReportName(kind).empty();
}

absl::string_view CheckpointReportName(OutputKind kind) {
  if (kind == OutputKind::kReconstructedCheckpoint) return "reconstruction";
  if (kind == OutputKind::kNarrowCheckpoint) return "neuron_removal";
  return "";
}

std::string CheckpointReportFile(OutputKind kind) {
  const absl::string_view name = CheckpointReportName(kind);
  return name.empty() ? "" : absl::StrCat(name, "/", name, ".report.json");
}

bool Walks(const StepKind& kind) {
  return std::any_of(kind.inputs.begin(), kind.inputs.end(),
                     [](const StepInputKind& input) {
                       return input.source == StepInputKind::kDataset;
                     });
}

bool SharesSeed(const StepKind& kind) {
  return Walks(kind) && kind.options != nullptr &&
         kind.options->GetDescriptor()->FindFieldByName(kSeed) != nullptr;
}

std::vector<absl::string_view> OptionsLeftOut(const StepKind& kind) {
  std::vector<absl::string_view> names = kind.left_out;
  if (SharesSeed(kind)) names.push_back(kSeed);
  return names;
}

StepInputKind DenseModelInput() {
  return {.flag = kModelPathFlag,
          .source = StepInputKind::kDenseModel,
          .what = "directory of a dense checkpoint"};
}

StepInputKind ModelInput(const std::string& what) {
  return {.flag = kModelPathFlag,
          .source = StepInputKind::kModel,
          .field = "checkpoint",
          .what = what};
}

StepInputKind DatasetInput() {
  return {.flag = kDatasetFlag,
          .source = StepInputKind::kDataset,
          .field = "dataset",
          .what = absl::StrCat("token artifact, or ", kDatasetKinds)};
}

StepRequest NewRequest(const StepKind& kind) {
  const auto copy = [](const Message* message) -> std::shared_ptr<Message> {
    if (message == nullptr) return nullptr;
    std::shared_ptr<Message> copied(message->New());
    copied->CopyFrom(*message);
    return copied;
  };
  StepRequest request;
  request.kind = &kind;
  request.options = copy(kind.options.get());
  request.output = copy(kind.output.get());
  return request;
}

void WriteTo(const std::string& directory, StepRequest& request) {
  const StepKind& kind = *request.kind;
  request.output = NewRequest(kind).output;
  if (kind.made == OutputKind::kEvaluation) {
    static_cast<EvaluationOutput&>(*request.output)
        .set_report_out(absl::StrCat(directory, "/", OutputFile(kind.made)));
  } else if (kind.made == OutputKind::kCheckpoint) {
    static_cast<CheckpointOutput&>(*request.output).set_save_path(directory);
  } else if (kind.made == OutputKind::kAlignedCheckpoint) {
    auto& output = static_cast<AlignedOutput&>(*request.output);
    output.set_save_path(directory);
    output.set_scale_factors_path(
        absl::StrCat(directory, "/", kAlignmentDirectory));
  } else if (!CheckpointReportName(kind.made).empty()) {
    auto& output = static_cast<ReportedCheckpointOutput&>(*request.output);
    output.set_save_path(directory);
    output.set_report_out(
        absl::StrCat(directory, "/", CheckpointReportFile(kind.made)));
  } else {
    static_cast<ArtifactOutput&>(*request.output).set_save_path(directory);
  }
}

absl::Status ValidateStepOptions(const StepKind& kind, const Message& options) {
  return kind.validate != nullptr ? kind.validate(options)
                                  : base::CheckOptions(options);
}

absl::StatusOr<StepOutcome> RunRequest(const StepRequest& request,
                                       base::Progress& progress) {
  const StepKind& kind = *request.kind;
  StepRequest complete = request;
  if (SharesSeed(kind)) {
    const FieldDescriptor& seed =
        *kind.options->GetDescriptor()->FindFieldByName(kSeed);
    complete.options = NewRequest(kind).options;
    complete.options->CopyFrom(*request.options);
    complete.options->GetReflection()->SetInt64(complete.options.get(), &seed,
                                                request.batch.seed());
  }
  if (complete.options != nullptr) {
    MOE_RETURN_IF_ERROR(ValidateStepOptions(kind, *complete.options));
  }
  try {
    return kind.run(complete, progress);
  } catch (const std::exception& error) {
    return base::StatusOfException(error);
  }
}

std::vector<std::string> ArgumentsOf(const StepRequest& request) {
  std::vector<std::string> flags;
  if (Walks(*request.kind)) {
    Append(base::OptionFlags(request.tokenize), flags);
    Append(base::OptionFlags(request.batch), flags);
  }
  if (request.options != nullptr) {
    Append(base::OptionFlags(*request.options, OptionsLeftOut(*request.kind)),
           flags);
  }
  return flags;
}

std::vector<std::string> WordsOf(const StepRequest& request) {
  std::vector<std::string> words = {request.kind->name};
  if (request.merge.empty()) {
    for (const StepInputKind& input : request.kind->inputs) {
      const std::string path = request.Path(input.flag);
      if (!path.empty()) {
        words.push_back(absl::StrCat("--", input.flag, "=", path));
      }
    }
    Append(ArgumentsOf(request), words);
    if (!request.memory_budget.empty()) {
      words.push_back(absl::StrCat("--memory_budget=", request.memory_budget));
    }
  }
  if (request.output != nullptr) Append(SetFlags(*request.output), words);
  Append(ShardFlags(request), words);
  return words;
}

}  // namespace moe::steps
