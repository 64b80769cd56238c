#include "moe/checkpoint/checkpoint_digest.h"

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/file_system.h"
#include "moe/base/progress.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe {

absl::StatusOr<std::string> CheckpointDigest(const Checkpoint& checkpoint,
                                             Progress& progress) {
  int64_t total_bytes = 0;
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    total_bytes += static_cast<int64_t>(shard.size_bytes());
  }
  progress.Start("digest of the model", total_bytes, "bytes");
  MOE_ASSIGN_OR_RETURN(
      const std::string config,
      HexSha256OfFile(absl::StrCat(checkpoint.directory(), "/", kConfigFile)));
  std::string lines = absl::StrCat(config, "  ", kConfigFile, "\n");
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    MOE_ASSIGN_OR_RETURN(const std::string digest,
                         HexSha256OfFile(shard.path()));
    absl::StrAppend(&lines, digest, "  ", SplitPath(shard.path()).name, "\n");
    progress.Advance(static_cast<int64_t>(shard.size_bytes()));
  }
  progress.Finish();
  return HexSha256Of(lines);
}

}  // namespace moe
