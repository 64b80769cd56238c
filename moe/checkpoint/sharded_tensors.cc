#include "moe/checkpoint/sharded_tensors.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/directory_contents.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/shard_index.h"

namespace moe {
namespace {

// The index of the largest published models has a few megabytes.
constexpr uint64_t kMaxIndexBytes = uint64_t{256} << 20;

std::string PathIn(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

absl::Status NoModel(absl::string_view directory) {
  const absl::string_view has =
      PathExists(directory) ? " has neither " : " does not exist: neither ";
  return absl::NotFoundError(absl::StrCat(directory, has, kSingleShardFile,
                                          " nor ", kShardIndexFile,
                                          WhatIsThereInstead(directory)));
}

// Each tensor of a shard stands in the index, for that shard.
absl::Status CheckShard(const SafetensorsFile& shard, absl::string_view name,
                        const ShardIndex& index) {
  for (const SafetensorsTensor& tensor : shard.tensors()) {
    const auto found = index.weight_map.find(tensor.spec.name);
    if (found == index.weight_map.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(shard.path(), ": tensor \"", tensor.spec.name,
                       "\" is here, and not in ", kShardIndexFile));
    }
    if (found->second != name) {
      return absl::InvalidArgumentError(absl::StrCat(
          shard.path(), ": tensor \"", tensor.spec.name, "\" is here, and ",
          kShardIndexFile, " says that it is in ", found->second));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckIndex(absl::string_view index_path, const ShardIndex& index,
                        const std::vector<SafetensorsFile>& shards) {
  std::map<std::string, const SafetensorsFile*> by_name;
  for (const SafetensorsFile& shard : shards) {
    by_name[SplitPath(shard.path()).name] = &shard;
  }
  for (const auto& [tensor, shard_name] : index.weight_map) {
    const SafetensorsFile& shard = *by_name.at(shard_name);
    if (shard.Find(tensor) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(index_path, " says that tensor \"", tensor, "\" is in ",
                       shard.path(), ", and it is not there"));
    }
  }
  for (const auto& [name, shard] : by_name) {
    MOE_RETURN_IF_ERROR(CheckShard(*shard, name, index));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ShardedTensors> ShardedTensors::Open(
    absl::string_view directory) {
  const std::string single_path = PathIn(directory, kSingleShardFile);
  std::vector<SafetensorsFile> shards;
  if (PathExists(single_path)) {
    MOE_ASSIGN_OR_RETURN(SafetensorsFile file,
                         SafetensorsFile::Open(single_path));
    shards.push_back(std::move(file));
    return ShardedTensors(std::move(shards), std::nullopt);
  }
  const std::string index_path = PathIn(directory, kShardIndexFile);
  if (!PathExists(index_path)) return NoModel(directory);
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       ReadFile(index_path, kMaxIndexBytes));
  absl::StatusOr<ShardIndex> index = ParseShardIndex(text);
  if (!index.ok()) return Annotate(index.status(), index_path);
  std::set<std::string> names;
  for (const auto& [tensor, shard] : index->weight_map) names.insert(shard);
  for (const std::string& name : names) {
    const std::string path = PathIn(directory, name);
    absl::StatusOr<SafetensorsFile> shard = SafetensorsFile::Open(path);
    if (absl::IsNotFound(shard.status())) {
      return absl::NotFoundError(
          absl::StrCat(path, " does not exist, and ", index_path,
                       " names it; is the download complete?"));
    }
    MOE_RETURN_IF_ERROR(shard.status());
    shards.push_back(*std::move(shard));
  }
  MOE_RETURN_IF_ERROR(CheckIndex(index_path, *index, shards));
  return ShardedTensors(std::move(shards), *std::move(index));
}

ShardedTensors::ShardedTensors(std::vector<SafetensorsFile> shards,
                               std::optional<ShardIndex> index)
    : shards_(std::move(shards)), index_(std::move(index)) {
  LocateTensors();
}

void ShardedTensors::LocateTensors() {
  locations_.clear();
  for (size_t s = 0; s < shards_.size(); ++s) {
    for (size_t t = 0; t < shards_[s].tensors().size(); ++t) {
      locations_.emplace(shards_[s].tensors()[t].spec.name, std::pair(s, t));
    }
  }
}

void ShardedTensors::RenameTensors(
    absl::FunctionRef<std::string(absl::string_view)> rename) {
  for (SafetensorsFile& shard : shards_) shard.RenameTensors(rename);
  LocateTensors();
}

void ShardedTensors::PassOver(absl::string_view name) {
  for (SafetensorsFile& shard : shards_) shard.PassOver(name);
  LocateTensors();
}

TensorLocation ShardedTensors::Find(absl::string_view name) const {
  const auto found = locations_.find(std::string(name));
  if (found == locations_.end()) return {};
  const SafetensorsFile& shard = shards_[found->second.first];
  return {&shard, &shard.tensors()[found->second.second]};
}

}  // namespace moe
