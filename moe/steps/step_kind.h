// Declares a step of the pipeline in one place: its name, its options, what it
// reads and makes, how it runs, what it costs.
//
// Each step is one file of this room that returns its StepKind, and one line of
// the registry (all_steps.h). The command line, experiments, the planner of
// costs and the documents read these.

#ifndef MOE_STEPS_STEP_KIND_H_
#define MOE_STEPS_STEP_KIND_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "moe/base/check.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe::steps {

// The version of the program. --version prints it, and artifacts and reports
// carry it.
inline constexpr char kToolVersion[] = "0.1.0";

// The flags of inputs that many steps have.
inline constexpr char kModelPathFlag[] = "model_path";
inline constexpr char kDatasetFlag[] = "dataset_dir_or_path";
inline constexpr char kGatesFlag[] = "gate_weights_file";
// What --dataset_dir_or_path takes besides a token artifact.
inline constexpr char kDatasetKinds[] =
    "JSON lines, a JSON array, CSV, TSV or text, plain or compressed by gzip "
    "or Zstandard, or a directory of such files";

enum class OutputKind {
  kGateWeights,
  kImportanceScores,
  kNeuronIndices,
  kDistribution,
  kCheckpoint,
  kAlignedCheckpoint,        // A checkpoint, with scale factors below it.
  kReconstructedCheckpoint,  // A checkpoint, with a report below it.
  kNarrowCheckpoint,         // The same, of a dense model with fewer neurons.
  kEvaluation,
  kRouterAndNeurons,  // Router weights and neuron indices, side by side.
};

// "gate_weights": the artifact's name, also for the other kinds: "checkpoint",
// "aligned_checkpoint", "reconstructed_checkpoint", "narrow_checkpoint",
// "evaluation", "router_and_neurons".
absl::string_view OutputName(OutputKind kind);
// "gate_weights.safetensors"; empty for what is no single file: a checkpoint,
// or router weights and neuron indices.
std::string OutputFile(OutputKind kind);
// The names of the artifacts that lie in the step's directory, each with its
// report; none for the other kinds.
std::vector<absl::string_view> ArtifactsOf(OutputKind kind);
// As converted, aligned, reconstructed or with fewer neurons.
bool IsCheckpoint(OutputKind kind);
// Whether what a step makes is, or has beside other things, what an input of
// the kind `wanted` reads.
bool Provides(OutputKind made, OutputKind wanted);

// Where scale_factors.safetensors lies in the directory of an aligned
// checkpoint of an experiment.
inline constexpr absl::string_view kAlignmentDirectory = "alignment";

// The "artifact" of the report that a step writes with a checkpoint:
// "reconstruction", "neuron_removal"; empty for the other kinds.
absl::string_view CheckpointReportName(OutputKind kind);
// Where it lies in the directory of a checkpoint of an experiment:
// "reconstruction/reconstruction.report.json"; empty for the other kinds.
std::string CheckpointReportFile(OutputKind kind);

// Something that a step reads.
struct StepInputKind {
  enum Source {
    kDenseModel,  // The dense model.
    kModel,       // A checkpoint that a step made, or the dense model.
    kDataset,
    kMade,  // What another step made.
  };
  std::string flag;  // "gate_weights_file"
  Source source = kDenseModel;
  // The field of the step in a spec that names it; empty for a dense model.
  std::string field = {};
  // For kMade.
  OutputKind made = OutputKind::kCheckpoint;
  // "router weights, .safetensors or .pt"
  std::string what = {};
  bool required = true;
};

// Inputs that several steps have. ModelInput takes the checkpoint that the
// field `checkpoint` names, or the dense model.
StepInputKind DenseModelInput();
StepInputKind ModelInput(const std::string& what);
StepInputKind DatasetInput();

struct StepKind;

// A step with all that it needs to run.
struct StepRequest {
  const StepKind* kind = nullptr;
  std::map<std::string, std::string> paths;  // By the input's flag.
  // How the dataset is read, if the step reads one.
  TokenizeOptions tokenize;
  BatchOptions batch;
  // For a step that walks over a model. Empty for the available memory.
  std::string memory_budget = {};
  // They have the types that the kind has. Null where it has none.
  std::shared_ptr<google::protobuf::Message> options;
  std::shared_ptr<google::protobuf::Message> output;
  // A part, where num_shards is set; the whole from the parts in `merge`, where
  // there are any.
  ShardOptions shard;
  std::vector<std::string> merge;

  // The path of an input; empty where it is not given.
  std::string Path(const std::string& flag) const {
    const auto found = paths.find(flag);
    return found == paths.end() ? "" : found->second;
  }
  template <typename Options>
  const Options& OptionsAs() const {
    return As<Options>(options);
  }
  template <typename Output>
  const Output& OutputAs() const {
    return As<Output>(output);
  }

 private:
  template <typename Type>
  static const Type& As(
      const std::shared_ptr<google::protobuf::Message>& message) {
    MOE_CHECK(message != nullptr &&
              message->GetDescriptor() == Type::descriptor());
    return static_cast<const Type&>(*message);
  }
};

// What a step says at its end: as JSON, or as a table.
struct StepOutcome {
  base::Json report;
  std::string text;
};

class CostModel;

// A step of an experiment, as costs are estimated by: its name, and those of
// what it reads, by flag; empty for the dense model.
struct CostedStep {
  std::string name;
  std::map<std::string, std::string> reads;
  const google::protobuf::Message* options = nullptr;

  template <typename Options>
  const Options& OptionsAs() const {
    MOE_CHECK(options != nullptr &&
              options->GetDescriptor() == Options::descriptor());
    return static_cast<const Options&>(*options);
  }
};

struct StepKind {
  // "hidden_clustering"; also what the command is called.
  std::string name;
  // One line, in the third person: "makes router weights by ...".
  std::string summary;
  // What --help says below the flags.
  std::string notes;
  // Its field in an ExperimentStep; empty for a command that no experiment has.
  std::string field;
  std::vector<StepInputKind> inputs;
  OutputKind made = OutputKind::kCheckpoint;
  // Messages of the types that it takes. Fields that are no options are set:
  // they tell steps apart that share a field. Null for none.
  std::shared_ptr<const google::protobuf::Message> options;
  std::shared_ptr<const google::protobuf::Message> output;
  // Options that this step has no use for.
  std::vector<absl::string_view> left_out = {};
  // InvalidArgument with the field, its value and what is allowed. CheckOptions
  // where it is null.
  std::function<absl::Status(const google::protobuf::Message&)> validate =
      nullptr;
  std::function<absl::StatusOr<StepOutcome>(const StepRequest&,
                                            base::Progress&)>
      run;
  // Adds to the model's cost of the step.
  std::function<void(const CostedStep&, CostModel&)> cost;
  // Whether several runs can share the work, each making a part.
  bool can_shard = false;
  // Whether it belongs to the pipeline or helps beside it.
  bool is_helper = false;
};

// Whether it reads a dataset, and so walks over a model.
bool Walks(const StepKind& kind);
// Whether the step takes its seed from the options of its dataset.
bool SharesSeed(const StepKind& kind);
// The options for which the command has no flag of its own: those in
// `left_out`, and a seed that it shares with the dataset.
std::vector<absl::string_view> OptionsLeftOut(const StepKind& kind);

// With the kind's options and output, without paths.
StepRequest NewRequest(const StepKind& kind);

// Makes the request write to a step's directory of an experiment.
void WriteTo(const std::string& directory, StepRequest& request);

// OK, or InvalidArgument with the option.
absl::Status ValidateStepOptions(const StepKind& kind,
                                 const google::protobuf::Message& options);

// Runs the step. The errors of its library.
absl::StatusOr<StepOutcome> RunRequest(const StepRequest& request,
                                       base::Progress& progress);

// The words of the command that does the same: its name, then its flags.
std::vector<std::string> WordsOf(const StepRequest& request);

// The flags of dataset and options among these words, as locks record them.
std::vector<std::string> ArgumentsOf(const StepRequest& request);

}  // namespace moe::steps

#endif  // MOE_STEPS_STEP_KIND_H_
