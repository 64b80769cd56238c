// Whether two paths lead to the same place, or one is inside the other.
//
// Names are not enough: a symbolic link, a bind mount or a second mount gives a
// folder another name. So the functions compare device and inode of a path and
// of all directories above it.

#ifndef MOE_BASE_PATH_OVERLAP_H_
#define MOE_BASE_PATH_OVERLAP_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::base {

// What the system calls the same file, whatever its names.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// Follows links. Returns nothing if the path leads nowhere.
std::optional<FileIdentity> IdentityOf(absl::string_view path);

enum class Overlap {
  kNone,
  kSame,    // Both are one place.
  kInside,  // The path lies in the other one, or would if it were made.
  kHolds,   // The other one lies in the path.
};

// The relation of `path` to `other`. For a path that does not exist, the
// nearest existing directory above it counts.
Overlap OverlapOf(absl::string_view path, absl::string_view other);

// OK if `target`, a directory that will be replaced as a whole, and `input`,
// which is read, do not overlap. InvalidArgument names both.
absl::Status CheckApart(absl::string_view target, absl::string_view input);

// The path that a write to `target` reaches: the target itself, or the target
// of a symbolic link, which need not exist. InvalidArgument for a link to
// another link, because users do not see where such a chain ends.
absl::StatusOr<std::string> FollowTargetLink(absl::string_view target);

}  // namespace moe::base

#endif  // MOE_BASE_PATH_OVERLAP_H_
