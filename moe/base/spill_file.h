// A file for data that does not fit the memory budget. It is written and read
// at positions while a step runs, and is gone when the step ends, however it
// ends.
//
//   MOE_ASSIGN_OR_RETURN(SpillFile file,
//                        SpillFile::Create(SpillDirectory(), num_bytes));
//   MOE_RETURN_IF_ERROR(file.Write(0, bytes));
//
// It has no name, so nothing is left behind. Never part of a result.

#ifndef MOE_BASE_SPILL_FILE_H_
#define MOE_BASE_SPILL_FILE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::base {

// $TMPDIR, or else /var/tmp: /tmp is in memory on many systems.
std::string SpillDirectory();

// Movable. Read and Write may be called from several threads at once.
class SpillFile {
 public:
  // Allocates `size_bytes` if the file system can, so that a full disk is an
  // error here and not during the work: ResourceExhausted with the directory,
  // the size and what to do. Other errors are the system's.
  static absl::StatusOr<SpillFile> Create(absl::string_view directory,
                                          uint64_t size_bytes);

  SpillFile(SpillFile&& other) noexcept
      : directory_(std::move(other.directory_)),
        descriptor_(std::exchange(other.descriptor_, -1)) {}
  SpillFile& operator=(SpillFile&& other) noexcept {
    std::swap(directory_, other.directory_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~SpillFile();

  absl::Status Write(uint64_t offset_bytes, absl::Span<const char> bytes);
  // DataLoss for bytes past the end.
  absl::Status Read(uint64_t offset_bytes, absl::Span<char> out) const;

 private:
  SpillFile(absl::string_view directory, int descriptor)
      : directory_(directory), descriptor_(descriptor) {}

  std::string directory_;
  int descriptor_ = -1;
};

}  // namespace moe::base

#endif  // MOE_BASE_SPILL_FILE_H_
