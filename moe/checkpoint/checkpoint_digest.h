// What tells one checkpoint from another.

#ifndef MOE_CHECKPOINT_CHECKPOINT_DIGEST_H_
#define MOE_CHECKPOINT_CHECKPOINT_DIGEST_H_

#include <string>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/checkpoint/checkpoint.h"

namespace moe {

// SHA-256, in hexadecimal, over a line "SHA256  NAME" for config.json and for
// every weight file, sorted by name, as sha256sum writes them. Reads all
// weights. Errors are those of the files.
absl::StatusOr<std::string> CheckpointDigest(const Checkpoint& checkpoint,
                                             Progress& progress);

}  // namespace moe

#endif  // MOE_CHECKPOINT_CHECKPOINT_DIGEST_H_
