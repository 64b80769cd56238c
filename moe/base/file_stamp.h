// Whether a file is still the one that was read.
//
// A digest is true of the bytes that were hashed. The stamp of the file, held
// beside it, tells later whether those are still the bytes, without reading
// them again: whoever writes to a file or replaces it changes its stamp, and
// nobody can set back the time of the last change of its inode.

#ifndef MOE_BASE_FILE_STAMP_H_
#define MOE_BASE_FILE_STAMP_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size_bytes = 0;
  int64_t modified_nsec = 0;  // When its bytes last changed, since 1970.
  int64_t changed_nsec = 0;   // When its inode last changed.

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// Links are followed. What the system reports, with the path.
absl::StatusOr<FileStamp> StampOf(absl::string_view path);

// OK if the file still has the stamp. DataLoss, with what is different, if it
// was changed, replaced or removed.
absl::Status CheckStamp(absl::string_view path, const FileStamp& stamp);

}  // namespace moe

#endif  // MOE_BASE_FILE_STAMP_H_
