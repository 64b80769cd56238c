// What the steps of an experiment read: where it lies on this machine, and what
// it is by its digest.

#ifndef MOE_EXPERIMENT_EXPERIMENT_INPUTS_H_
#define MOE_EXPERIMENT_EXPERIMENT_INPUTS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/step_plan.h"

namespace moe {

// "DIR/router.record.textproto", beside the directory "DIR/router".
std::string RecordPath(absl::string_view step_directory);

class ExperimentInputs {
 public:
  struct Places {
    std::string model;  // Directory of the dense checkpoint.
    std::string data;   // Dataset file or directory, or token artifact.
  };
  ExperimentInputs(Places places, Progress& progress)
      : places_(std::move(places)), progress_(progress) {}

  // Says what an earlier step has made, and where.
  void AddStep(absl::string_view directory, const StepRecord& record);
  // The same, from the record that lies beside the directory. InvalidArgument
  // if it is that of another step.
  absl::Status ReadStep(absl::string_view name, absl::string_view directory);

  // A step that is asked for must have been added: NotFound.
  absl::StatusOr<std::string> PathOf(const StepInput& input) const;
  // DigestOfFiles of what the path is. Model and data are read once.
  absl::StatusOr<std::string> DigestOf(const StepInput& input);

  // Errors of DigestModel.
  absl::StatusOr<std::vector<FileDigest>> Model();
  // The files that the experiment's datasets read, sorted by name, each once.
  absl::StatusOr<std::vector<FileDigest>> Data(const ExperimentSpec& spec);

 private:
  struct MadeStep {
    std::string directory;
    std::vector<FileDigest> files;
  };

  absl::StatusOr<std::string> DataPath(absl::string_view file) const;
  absl::StatusOr<std::vector<FileDigest>> DataOf(const std::string& file);
  absl::StatusOr<const MadeStep*> Find(const std::string& name) const;

  const Places places_;
  Progress& progress_;
  std::map<std::string, MadeStep> steps_;
  std::optional<std::vector<FileDigest>> model_;
  std::map<std::string, std::vector<FileDigest>> data_;  // By file.
};

}  // namespace moe

#endif  // MOE_EXPERIMENT_EXPERIMENT_INPUTS_H_
