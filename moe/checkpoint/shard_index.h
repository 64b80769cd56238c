// model.safetensors.index.json: which shard holds which tensor.

#ifndef MOE_CHECKPOINT_SHARD_INDEX_H_
#define MOE_CHECKPOINT_SHARD_INDEX_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

inline constexpr char kShardIndexFile[] = "model.safetensors.index.json";

struct ShardIndex {
  // Tensor -> file name of its shard, in the directory of the index.
  std::map<std::string, std::string> weight_map;
  // Bytes of all tensors. What is read is what the file says: nothing in the
  // Hugging Face libraries relies on it, and files exist where it is wrong or
  // missing.
  std::optional<int64_t> total_size_bytes;
  // Elements of all tensors; newer files have it.
  std::optional<int64_t> total_parameters;
};

// InvalidArgument if the text is not JSON, a tensor or field occurs twice,
// there is no weight_map, or a shard's name is not that of a plain file ending
// in ".safetensors" (a path that leads elsewhere is never followed).
absl::StatusOr<ShardIndex> ParseShardIndex(absl::string_view text);

// As the Hugging Face libraries write it: keys sorted, indented by 2.
std::string FormatShardIndex(const ShardIndex& index);

}  // namespace moe

#endif  // MOE_CHECKPOINT_SHARD_INDEX_H_
