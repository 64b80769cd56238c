// What a zip archive's directory claims, held against the file it is in.
//
// LibTorch's reader allocates the size that the directory gives for a record
// before it looks at the record, so that a few damaged bytes ask for any amount
// of memory. Here the directory is looked at first.

#ifndef MOE_CHECKPOINT_ARTIFACT_ZIP_DIRECTORY_H_
#define MOE_CHECKPOINT_ARTIFACT_ZIP_DIRECTORY_H_

#include "absl/status/status.h"
#include "moe/base/random_access_file.h"

namespace moe::internal {

// OK if the records, taken out, are together no larger than the file: each is
// stored as it is, which is how torch.save writes, and none shares its bytes
// with another. Unimplemented for compressed records, DataLoss where the
// directory does not fit the file. Does not name the path.
absl::Status CheckZipDirectory(const RandomAccessFile& file);

}  // namespace moe::internal

#endif  // MOE_CHECKPOINT_ARTIFACT_ZIP_DIRECTORY_H_
