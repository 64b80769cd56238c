// The inputs of an experiment's steps: where they lie on this machine, and
// their digests.

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
#include "absl/types/span.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/step_plan.h"

namespace moe::experiment {

// The digest of DIRECTORY/NAME. Errors of reading.
absl::StatusOr<FileDigest> DigestFile(absl::string_view directory,
                                      absl::string_view name);

// The paths of everything of a checkpoint that a step may read: config.json,
// shards, their index, tokenizer and other companion files; sorted. Errors of
// Checkpoint::Open.
absl::StatusOr<std::vector<std::string>> ModelFiles(absl::string_view path);

// The same, digested. Errors of reading too.
absl::StatusOr<std::vector<FileDigest>> DigestModel(absl::string_view path,
                                                    base::Progress& progress);

// The files of a dataset, sorted by name. Errors of ListDatasetFiles and of
// reading.
absl::StatusOr<std::vector<FileDigest>> DigestData(absl::string_view path);

// The files of a directory that a step has written, sorted by name. Leaves out
// subdirectories other than kChatTemplatesFolder, and names that start with a
// dot: what a killed writer left behind has such a name.
absl::StatusOr<std::vector<FileDigest>> DigestDirectory(
    absl::string_view path, base::Progress& progress);

// SHA-256 of the lines "SHA256  NAME", as sha256sum writes them.
std::string DigestOfFiles(absl::Span<const FileDigest> files);

bool SameFile(const FileDigest& a, const FileDigest& b);

// "DIR/router.record.textproto", beside the directory "DIR/router".
std::string RecordPath(absl::string_view step_directory);

class ExperimentInputs {
 public:
  struct Places {
    std::string model;  // Directory of the dense checkpoint.
    std::string data;   // Dataset file or directory, or token artifact.
  };
  ExperimentInputs(Places places, base::Progress& progress)
      : places_(std::move(places)), progress_(progress) {}

  // Adds what an earlier step has made, and where it lies.
  void AddStep(absl::string_view directory, const StepRecord& record);
  // The same, from the record that lies beside the directory. InvalidArgument
  // if it is that of another step.
  absl::Status ReadStep(absl::string_view name, absl::string_view directory);

  // NotFound for a step that was not added.
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
    std::vector<base::FileStamp> stamps;
  };

  // Adds what is at the path to stamped_.
  absl::Status Stamp(const std::string& at, const Lister& list);
  static absl::Status CheckUnchanged(const StampedFiles& files);
  absl::StatusOr<std::string> DataPath(absl::string_view file) const;
  absl::StatusOr<std::vector<FileDigest>> DataOf(const std::string& file);
  absl::StatusOr<const MadeStep*> Find(const std::string& name) const;

  const Places places_;
  base::Progress& progress_;
  std::map<std::string, MadeStep> steps_;
  std::optional<std::vector<FileDigest>> model_;
  std::map<std::string, std::vector<FileDigest>> data_;  // By file.
  std::vector<StampedFiles> stamped_;
};

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_EXPERIMENT_INPUTS_H_
