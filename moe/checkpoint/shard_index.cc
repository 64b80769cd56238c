#include "moe/checkpoint/shard_index.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/json.h"

namespace moe {
namespace {

absl::StatusOr<const Json*> GetObject(const Json& document,
                                      absl::string_view field) {
  const Json* const value = FindField(document, field);
  if (value == nullptr) return internal::Missing(field);
  if (!value->is_object()) {
    return internal::WrongType(field, *value, "an object");
  }
  return value;
}

absl::Status CheckShardName(absl::string_view tensor, absl::string_view shard) {
  const absl::string_view suffix = ".safetensors";
  if (absl::EndsWith(shard, suffix) && shard.size() > suffix.size() &&
      shard.find_first_of(absl::string_view("/\\\0", 3)) ==
          absl::string_view::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "weight_map: tensor \"", tensor, "\" is in \"", shard,
      "\"; wanted is the name of a .safetensors file in the same directory"));
}

}  // namespace

absl::StatusOr<ShardIndex> ParseShardIndex(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(const Json document, ParseJsonObject(text));
  ShardIndex index;
  MOE_ASSIGN_OR_RETURN(const Json* const weight_map,
                       GetObject(document, "weight_map"));
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string()) {
      return internal::WrongType(absl::StrCat("weight_map: \"", tensor, "\""),
                                 shard, "a string");
    }
    index.weight_map[tensor] = shard.get<std::string>();
    MOE_RETURN_IF_ERROR(CheckShardName(tensor, index.weight_map[tensor]));
  }
  MOE_ASSIGN_OR_RETURN(const Json* const metadata,
                       GetObject(document, "metadata"));
  MOE_ASSIGN_OR_RETURN(index.total_size_bytes,
                       Get<int64_t>(*metadata, "total_size"));
  if (FindField(*metadata, "total_parameters") != nullptr) {
    MOE_ASSIGN_OR_RETURN(index.total_parameters,
                         Get<int64_t>(*metadata, "total_parameters"));
  }
  return index;
}

std::string FormatShardIndex(const ShardIndex& index) {
  Json document = Json::object();
  Json& metadata = document["metadata"] = Json::object();
  if (index.total_parameters.has_value()) {
    metadata["total_parameters"] = *index.total_parameters;
  }
  metadata["total_size"] = index.total_size_bytes;
  Json& weight_map = document["weight_map"] = Json::object();
  for (const auto& [tensor, shard] : index.weight_map) {
    weight_map[tensor] = shard;
  }
  return FormatJson(document);
}

}  // namespace moe
