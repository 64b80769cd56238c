#include "moe/experiment/report/recorded_lock.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/file_digest.h"

namespace moe {
namespace {

// Whether every step that read `name`, and one did, read these files.
bool StepsRead(const ExperimentLock& lock, const std::string& name,
               const std::vector<FileDigest>& files) {
  const std::string digest = DigestOfFiles(files);
  bool is_read = false;
  for (const StepLock& step : lock.steps()) {
    for (const StepInputDigest& input : step.inputs()) {
      if (input.from() != name) continue;
      if (input.sha256() != digest) return false;
      is_read = true;
    }
  }
  return is_read;
}

bool HasModel(const ExperimentSpec& spec, const ExperimentLock& lock,
              const ExperimentLock& known) {
  return StepsRead(lock, spec.model(),
                   {known.model().begin(), known.model().end()});
}

// A dataset reads one file, or all of them.
bool HasData(const ExperimentSpec& spec, const ExperimentLock& lock,
             const ExperimentLock& known) {
  return std::all_of(
      spec.datasets().begin(), spec.datasets().end(),
      [&](const ExperimentDataset& dataset) {
        std::vector<FileDigest> files;
        for (const FileDigest& file : known.data()) {
          if (dataset.file().empty() || dataset.file() == file.name()) {
            files.push_back(file);
          }
        }
        return StepsRead(lock, dataset.name(), files);
      });
}

}  // namespace

absl::StatusOr<ExperimentLock> RecordedLock(
    const ExperimentSpec& spec, absl::string_view directory,
    absl::Span<const ExperimentLock> known, Progress& progress) {
  MOE_ASSIGN_OR_RETURN(ExperimentLock lock,
                       LockOfSteps(spec, directory, progress));
  for (const ExperimentLock& other : known) {
    if (lock.model().empty() && HasModel(spec, lock, other)) {
      *lock.mutable_model() = other.model();
    }
    if (lock.data().empty() && HasData(spec, lock, other)) {
      *lock.mutable_data() = other.data();
    }
  }
  return lock;
}

}  // namespace moe
