// The records of a zip archive, as torch.save writes one.
//
// Not LibTorch's reader: that one allocates the size that the directory gives
// for a record before it looks at the record, so that a few damaged bytes ask
// for any amount of memory.

#ifndef MOE_CHECKPOINT_ARTIFACT_ZIP_DIRECTORY_H_
#define MOE_CHECKPOINT_ARTIFACT_ZIP_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/random_access_file.h"

namespace moe::internal {

struct ZipRecord {
  std::string name;
  uint64_t header_offset = 0;
  uint64_t size = 0;
};

// The records of the archive, in the order of its directory. They are stored,
// which is how torch.save writes them, and together no larger than the file.
// Unimplemented for compressed records, DataLoss where the directory does not
// fit the file. Errors do not name the path.
absl::StatusOr<std::vector<ZipRecord>> ReadZipDirectory(
    const RandomAccessFile& file);

// The record's bytes. Does not look at their checksum, as PyTorch does not.
// DataLoss where the file has no such record. Errors do not name the path.
absl::StatusOr<std::string> ReadZipRecord(const RandomAccessFile& file,
                                          const ZipRecord& record);

}  // namespace moe::internal

#endif  // MOE_CHECKPOINT_ARTIFACT_ZIP_DIRECTORY_H_
