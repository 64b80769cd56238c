// The tensors of a directory: one model.safetensors, or shards with their
// index.

#ifndef MOE_CHECKPOINT_SHARDED_TENSORS_H_
#define MOE_CHECKPOINT_SHARDED_TENSORS_H_

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
#include "moe/checkpoint/shard_index.h"

namespace moe {

inline constexpr char kSingleShardFile[] = "model.safetensors";

// Where a tensor lies. Valid as long as the ShardedTensors that gave it.
struct TensorLocation {
  const SafetensorsFile* shard = nullptr;
  const SafetensorsTensor* tensor = nullptr;
};

class ShardedTensors {
 public:
  // Opens every shard and holds the index to them: each tensor of the index is
  // in the shard that it names and each tensor of a shard in the index, once.
  // As transformers does, takes model.safetensors where there are both.
  // NotFound if there is neither or a shard is missing; otherwise the errors of
  // SafetensorsFile and of the index, with the path.
  static absl::StatusOr<ShardedTensors> Open(absl::string_view directory);

  // In the order of the names of their files.
  absl::Span<const SafetensorsFile> shards() const { return shards_; }
  // As SafetensorsFile's, of all shards. The index keeps the files' names.
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

}  // namespace moe

#endif  // MOE_CHECKPOINT_SHARDED_TENSORS_H_
