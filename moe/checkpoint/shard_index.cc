#include "moe/checkpoint/shard_index.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"

namespace moe {
namespace {

absl::Status WrongField(absl::string_view field, absl::string_view want) {
  return absl::InvalidArgumentError(
      absl::StrCat("field \"", field, "\" is missing or is not ", want));
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

// A whole number of 0 or more, though it may be written as 8.0; nothing
// otherwise.
std::optional<int64_t> GetCount(const SortedJson& object, const char* field) {
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
  MOE_ASSIGN_OR_RETURN(const SortedJson document, ParseSortedJson(text));
  if (!document.is_object()) {
    return absl::InvalidArgumentError(
        "malformed: the document is not a JSON object");
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
  SortedJson metadata = SortedJson::object();
  if (index.total_parameters.has_value()) {
    metadata["total_parameters"] = *index.total_parameters;
  }
  if (index.total_size_bytes.has_value()) {
    metadata["total_size"] = *index.total_size_bytes;
  }
  const SortedJson document = {{"metadata", std::move(metadata)},
                               {"weight_map", index.weight_map}};
  return document.dump(2) + "\n";
}

}  // namespace moe
