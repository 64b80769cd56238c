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
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/directory_contents.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {
namespace {

// The index of the largest published models has a few megabytes.
constexpr uint64_t kMaxIndexBytes = uint64_t{256} << 20;

std::string PathIn(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

absl::Status NoModel(absl::string_view directory) {
  const absl::string_view has = base::PathExists(directory)
                                    ? " has neither "
                                    : " does not exist: neither ";
  return absl::NotFoundError(absl::StrCat(directory, has, kSingleShardFile,
                                          " nor ", kShardIndexFile,
                                          WhatIsThereInstead(directory)));
}

// Each tensor of a shard has an entry for that shard in the index.
absl::Status CheckShard(const SafetensorsFile& shard, absl::string_view name,
                        const ShardIndex& index) {
  for (const SafetensorsTensor& tensor : shard.tensors()) {
    const auto found = index.weight_map.find(tensor.spec.name);
    if (found == index.weight_map.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(shard.path(), ": tensor \"", tensor.spec.name,
                       "\": expected an entry in ", kShardIndexFile,
                       ", found none; download the checkpoint again"));
    }
    if (found->second != name) {
      return absl::InvalidArgumentError(absl::StrCat(
          shard.path(), ": tensor \"", tensor.spec.name, "\": expected it in ",
          found->second, ", by ", kShardIndexFile,
          ", found it here; download the checkpoint again"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckIndex(absl::string_view index_path, const ShardIndex& index,
                        const std::vector<SafetensorsFile>& shards) {
  std::map<std::string, const SafetensorsFile*> by_name;
  for (const SafetensorsFile& shard : shards) {
    by_name[base::SplitPath(shard.path()).name] = &shard;
  }
  for (const auto& [tensor, shard_name] : index.weight_map) {
    const SafetensorsFile& shard = *by_name.at(shard_name);
    if (shard.Find(tensor) == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          index_path, ": tensor \"", tensor, "\": expected it in ",
          shard.path(), ", found it missing; download the checkpoint again"));
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
  if (base::PathExists(single_path)) {
    MOE_ASSIGN_OR_RETURN(SafetensorsFile file,
                         SafetensorsFile::Open(single_path));
    shards.push_back(std::move(file));
    return ShardedTensors(std::move(shards), std::nullopt);
  }
  const std::string index_path = PathIn(directory, kShardIndexFile);
  if (!base::PathExists(index_path)) return NoModel(directory);
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       base::ReadFile(index_path, kMaxIndexBytes));
  absl::StatusOr<ShardIndex> index = ParseShardIndex(text);
  if (!index.ok()) return base::Annotate(index.status(), index_path);
  std::set<std::string> names;
  for (const auto& [tensor, shard] : index->weight_map) names.insert(shard);
  for (const std::string& name : names) {
    const std::string path = PathIn(directory, name);
    absl::StatusOr<SafetensorsFile> shard = SafetensorsFile::Open(path);
    if (absl::IsNotFound(shard.status())) {
      return absl::NotFoundError(
          absl::StrCat(path, ": expected the shard that ", index_path,
                       " names, found no file; complete the download"));
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

namespace {

absl::Status WrongField(absl::string_view field, absl::string_view want) {
  return absl::InvalidArgumentError(absl::StrCat(
      field, ": expected ", want, ", found something else or nothing"));
}

absl::Status CheckShardName(absl::string_view tensor, absl::string_view shard) {
  const absl::string_view suffix = ".safetensors";
  if (absl::EndsWith(shard, suffix) && shard.size() > suffix.size() &&
      shard.find_first_of(absl::string_view("/\\\0", 3)) ==
          absl::string_view::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "weight_map: tensor \"", tensor,
      "\": expected the name of a .safetensors file in the same directory, "
      "found \"",
      shard, "\""));
}

// A whole number of 0 or more, though it may be written as 8.0; nothing
// otherwise.
std::optional<int64_t> GetCount(const base::SortedJson& object,
                                const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  constexpr double kLimit = 9.0e18;
  if (!(value >= 0 && value < kLimit)) return std::nullopt;
  return found->is_number_integer() ? found->get<int64_t>()
                                    : static_cast<int64_t>(value);
}

}  // namespace

absl::StatusOr<ShardIndex> ParseShardIndex(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(const base::SortedJson document,
                       base::ParseSortedJson(text));
  if (!document.is_object()) {
    return absl::InvalidArgumentError(
        "expected a JSON object, found another value");
  }
  const auto weight_map = document.find("weight_map");
  if (weight_map == document.end() || !weight_map->is_object()) {
    return WrongField("weight_map", "an object");
  }
  ShardIndex index;
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string()) {
      return WrongField(absl::StrCat("weight_map: ", tensor), "a string");
    }
    index.weight_map[tensor] = shard.get<std::string>();
    MOE_RETURN_IF_ERROR(CheckShardName(tensor, index.weight_map[tensor]));
  }
  const auto metadata = document.find("metadata");
  if (metadata != document.end() && metadata->is_object()) {
    index.total_size_bytes = GetCount(*metadata, "total_size");
    index.total_parameters = GetCount(*metadata, "total_parameters");
  }
  return index;
}

std::string FormatShardIndex(const ShardIndex& index) {
  base::SortedJson metadata = base::SortedJson::object();
  if (index.total_parameters.has_value()) {
    metadata["total_parameters"] = *index.total_parameters;
  }
  if (index.total_size_bytes.has_value()) {
    metadata["total_size"] = *index.total_size_bytes;
  }
  const base::SortedJson document = {{"metadata", std::move(metadata)},
                                     {"weight_map", index.weight_map}};
  return document.dump(2) + "\n";
}

}  // namespace moe::checkpoint
