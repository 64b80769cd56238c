// The tensors of a directory: one model.safetensors, or shards with their
// index.

#ifndef MOE_CHECKPOINT_SHARDED_TENSORS_H_
#define MOE_CHECKPOINT_SHARDED_TENSORS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {

inline constexpr char kSingleShardFile[] = "model.safetensors";

inline constexpr char kShardIndexFile[] = "model.safetensors.index.json";

// model.safetensors.index.json: which shard holds which tensor.
struct ShardIndex {
  // Tensor -> file name of its shard, in the directory of the index.
  std::map<std::string, std::string> weight_map;
  // Bytes of all tensors, as the file says. It is wrong or missing in some
  // files; the Hugging Face libraries do not rely on it.
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

// The shard and the tensor in it. Valid as long as the ShardedTensors that
// returned it.
struct TensorLocation {
  const SafetensorsFile* shard = nullptr;
  const SafetensorsTensor* tensor = nullptr;
};

class ShardedTensors {
 public:
  // Opens every shard and checks the index: each tensor of the index is in the
  // shard that it names, and each tensor of a shard is in the index once. If
  // there are both, reads model.safetensors and ignores the index, as
  // transformers does.
  // NotFound if there is neither or a shard is missing; otherwise the errors of
  // SafetensorsFile and of the index, with the path.
  static absl::StatusOr<ShardedTensors> Open(absl::string_view directory);

  // In the order of the names of their files.
  absl::Span<const SafetensorsFile> shards() const { return shards_; }
  // As in SafetensorsFile, for all shards. The index keeps the names of the
  // files.
  void RenameTensors(absl::FunctionRef<std::string(absl::string_view)> rename);
  void PassOver(absl::string_view name);

  // Nothing where there is a single file and no index.
  const std::optional<ShardIndex>& index() const { return index_; }

  // Null pointers if there is no such tensor.
  TensorLocation Find(absl::string_view name) const;
  size_t num_tensors() const { return locations_.size(); }

 private:
  ShardedTensors(std::vector<SafetensorsFile> shards,
                 std::optional<ShardIndex> index);

  void LocateTensors();

  std::vector<SafetensorsFile> shards_;
  std::optional<ShardIndex> index_;
  // By name: the shard's and the tensor's positions.
  absl::flat_hash_map<std::string, std::pair<size_t, size_t>> locations_;
};

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_SHARDED_TENSORS_H_
