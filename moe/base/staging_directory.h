// A directory beside a target, in which the target is made before it gets its
// name.
//
// It is called `.NAME.partial-PID-N`, is locked while its process lives, and
// holds a mark of ours, so that what a killed process left behind is known and
// removed by the next one that makes the same target; nothing else ever is. A
// process that is told to stop removes its own with RemoveAllStaging.

#ifndef MOE_BASE_STAGING_DIRECTORY_H_
#define MOE_BASE_STAGING_DIRECTORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"

namespace moe::base {

// InvalidArgument if `target` ends in no name that something could get: it is
// empty, the root, or ends in "." or "..".
absl::Status CheckTargetName(absl::string_view target);

class StagingDirectory {
 public:
  // Makes missing directories above the target, removes what killed processes
  // left of the same target, and makes the directory. The error of
  // CheckTargetName.
  static absl::StatusOr<std::unique_ptr<StagingDirectory>> Create(
      absl::string_view target, FileSystem& file_system);

  StagingDirectory(const StagingDirectory&) = delete;
  StagingDirectory& operator=(const StagingDirectory&) = delete;
  // Removes the directory with all that is in it, and, unless the target
  // stands, the directories above it that Create made, where they are empty.
  ~StagingDirectory();

  // Where to make what will be the target: a name in the directory that nothing
  // has yet.
  const std::string& content() const { return content_; }
  // The directory that holds the target and this directory.
  const std::string& parent() const { return parent_; }

 private:
  StagingDirectory(absl::string_view target, FileSystem& file_system);

  absl::Status MakeMissingParents(const std::string& path);
  void RemoveAbandoned();
  absl::Status Make();
  absl::Status MakeAt(const std::string& path);
  void RemoveMadeParents();

  friend void RemoveAllStaging();

  FileSystem& file_system_;
  const std::string target_;
  const std::string parent_;
  const std::string name_;
  std::vector<std::string> made_parents_;
  std::string path_;                // Empty until it is made.
  std::string content_;             // path_ and the target's name.
  std::unique_ptr<PathLock> lock_;  // Null where there are no locks.
};

// Removes the staging directories of this process, for its end: no other thread
// may change names any more (ShutMutationGateForGood).
void RemoveAllStaging();

}  // namespace moe::base

#endif  // MOE_BASE_STAGING_DIRECTORY_H_
