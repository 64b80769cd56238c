// What the steps of an experiment read: where it lies on this machine, and what
// it is by its digest.

#ifndef MOE_EXPERIMENT_EXPERIMENT_INPUTS_H_
#define MOE_EXPERIMENT_EXPERIMENT_INPUTS_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
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

  // OK if the files of model and data that were digested so far are still the
  // ones that were read, and no other files are there now. DataLoss otherwise:
  // what was made meanwhile may be of other bytes than the digests say.
  absl::Status CheckUnchanged() const;

  const Places& places() const { return places_; }

 private:
  struct MadeStep {
    std::string directory;
    std::vector<FileDigest> files;
  };

  // Lists the files that lie at a path.
  using Lister = std::function<absl::StatusOr<std::vector<std::string>>(
      const std::string&)>;
  // Files as they were just before they were digested.
  struct StampedFiles {
    std::string at;
    Lister list;
    std::vector<std::string> paths;
    std::vector<FileStamp> stamps;
  };

  // Adds what is at the path to stamped_.
  absl::Status Stamp(const std::string& at, const Lister& list);
  static absl::Status CheckUnchanged(const StampedFiles& files);
  absl::StatusOr<std::string> DataPath(absl::string_view file) const;
  absl::StatusOr<std::vector<FileDigest>> DataOf(const std::string& file);
  absl::StatusOr<const MadeStep*> Find(const std::string& name) const;

  const Places places_;
  Progress& progress_;
  std::map<std::string, MadeStep> steps_;
  std::optional<std::vector<FileDigest>> model_;
  std::map<std::string, std::vector<FileDigest>> data_;  // By file.
  std::vector<StampedFiles> stamped_;
};

}  // namespace moe

#endif  // MOE_EXPERIMENT_EXPERIMENT_INPUTS_H_
