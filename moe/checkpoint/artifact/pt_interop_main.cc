// The C++ side of pt_interop_test.sh.
//
//   pt_interop_main write DIR    writes the example artifacts in both formats:
//                                the vanilla neuron indices under DIR/vanilla
//   pt_interop_main check FILE.. reads files named <artifact>*.pt or
//                                <artifact>*.safetensors and compares each with
//                                the example of its kind

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/artifact/testing/example_artifacts.h"

namespace moe::checkpoint {
namespace {

using ::moe::checkpoint::testing::ExampleDistribution;
using ::moe::checkpoint::testing::ExampleGateWeights;
using ::moe::checkpoint::testing::ExampleImportanceScores;
using ::moe::checkpoint::testing::ExampleNeuronIndices;
using ::moe::checkpoint::testing::ExampleScaleFactors;

absl::Status WriteExamples(const std::string& directory) {
  const ArtifactMetadata metadata = {"test", "interop", "", 7};
  const ArtifactWriteOptions options = {.pt = true};
  MOE_RETURN_IF_ERROR(
      WriteArtifact(ExampleGateWeights(), metadata, directory, options));
  MOE_RETURN_IF_ERROR(WriteArtifact(ExampleImportanceScores(true), metadata,
                                    directory, options));
  MOE_RETURN_IF_ERROR(
      WriteArtifact(ExampleNeuronIndices(true), metadata, directory, options));
  MOE_RETURN_IF_ERROR(WriteArtifact(ExampleNeuronIndices(false), metadata,
                                    directory + "/vanilla", options));
  MOE_RETURN_IF_ERROR(
      WriteArtifact(ExampleDistribution(), metadata, directory, options));
  return WriteArtifact(ExampleScaleFactors(), metadata, directory, options);
}

template <typename Artifact>
absl::Status Check(const std::string& path, const Artifact& want) {
  MOE_ASSIGN_OR_RETURN(const Artifact got, ReadArtifact<Artifact>(path));
  if (got == want) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": other values"));
}

absl::Status CheckFile(const std::string& path) {
  const absl::string_view name =
      absl::string_view(path).substr(path.rfind('/') + 1);
  if (absl::StartsWith(name, GateWeights::kName)) {
    return Check(path, ExampleGateWeights());
  }
  if (absl::StartsWith(name, ImportanceScores::kName)) {
    // Only safetensors have a place for the counts.
    return Check(path,
                 ExampleImportanceScores(absl::EndsWith(name, ".safetensors")));
  }
  if (absl::StartsWith(name, NeuronIndices::kName)) {
    return Check(path,
                 ExampleNeuronIndices(!absl::StrContains(name, "vanilla")));
  }
  if (absl::StartsWith(name, Distribution::kName)) {
    return Check(path, ExampleDistribution());
  }
  if (absl::StartsWith(name, ScaleFactors::kName)) {
    return Check(path, ExampleScaleFactors());
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": the name starts with no artifact's"));
}

absl::Status Run(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "write" && argc == 3) return WriteExamples(argv[2]);
  if (command != "check" || argc < 3) {
    return absl::InvalidArgumentError(
        "usage: pt_interop_main write DIR | check FILE...");
  }
  for (int i = 2; i < argc; ++i) MOE_RETURN_IF_ERROR(CheckFile(argv[i]));
  return absl::OkStatus();
}

}  // namespace
}  // namespace moe::checkpoint

int main(int argc, char** argv) {
  const absl::Status status = moe::checkpoint::Run(argc, argv);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
