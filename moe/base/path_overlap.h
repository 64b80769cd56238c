// Whether two paths lead to the same place, or one into the other.
//
// Names say little: a symbolic link, a bind mount or a second mount gives a
// folder another one. Places are compared by device and inode, along all the
// directories above them.

#ifndef MOE_BASE_PATH_OVERLAP_H_
#define MOE_BASE_PATH_OVERLAP_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

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

// How `path` lies to `other`. Neither has to exist: of what does not, the
// nearest directory above it that does counts.
Overlap OverlapOf(absl::string_view path, absl::string_view other);

// OK if the directory `target`, which is to be replaced as a whole, and
// `input`, which is read, are apart. InvalidArgument names both.
absl::Status CheckApart(absl::string_view target, absl::string_view input);

// Where writing to `target` writes: the target itself, or what it leads to if
// it is a symbolic link, which need not exist. A link that leads to another
// link is InvalidArgument: nobody sees where such a chain ends.
absl::StatusOr<std::string> FollowTargetLink(absl::string_view target);

}  // namespace moe

#endif  // MOE_BASE_PATH_OVERLAP_H_
