#include "moe/text/tokenizer/tokenizer_json_fields.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe {
namespace {

constexpr uint64_t kMaxSize = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kMaxId = std::numeric_limits<uint32_t>::max();

// A name, or an object whose one field has that name and is null.
absl::Status CheckName(const JsonNode& node,
                       absl::Span<const absl::string_view> names) {
  std::string name;
  if (node.value().is_object()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode::Choice choice,
                         node.AsChoice(absl::StrJoin(names, ", ")));
    if (!choice.value.value().is_null()) return choice.value.WrongType("null");
    name = choice.name;
  } else {
    MOE_ASSIGN_OR_RETURN(name, node.AsString());
  }
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    return absl::OkStatus();
  }
  return node.WrongType(absl::StrCat("one of ", absl::StrJoin(names, ", ")));
}

// "BatchLongest", or {"Fixed": a length}.
absl::Status CheckPaddingStrategy(const JsonNode& node) {
  if (node.value().is_object()) {
    MOE_ASSIGN_OR_RETURN(const JsonNode::Choice choice,
                         node.AsChoice("BatchLongest, Fixed"));
    if (choice.name == "Fixed") {
      return choice.value.AsUnsigned(kMaxSize).status();
    }
  }
  return CheckName(node, {"BatchLongest"});
}

absl::Status CheckNumber(const JsonNode& node, absl::string_view field,
                         uint64_t max) {
  MOE_ASSIGN_OR_RETURN(const JsonNode number, node.Get(field));
  return number.AsUnsigned(max).status();
}

}  // namespace

absl::Status TooManySteps(const JsonNode& node) {
  return absl::ResourceExhaustedError(absl::StrCat(
      node.path(), ": there are more than ", kMaxTokenizerSteps, " steps"));
}

absl::StatusOr<ByteLevelFields> ParseByteLevel(const JsonNode& node) {
  ByteLevelFields fields;
  MOE_ASSIGN_OR_RETURN(fields.add_prefix_space,
                       node.GetBool("add_prefix_space"));
  MOE_RETURN_IF_ERROR(node.GetBool("trim_offsets").status());
  fields.use_regex = true;
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> use_regex,
                       node.FindEvenNull("use_regex"));
  if (use_regex.has_value()) {
    MOE_ASSIGN_OR_RETURN(fields.use_regex, use_regex->AsBool());
  }
  return fields;
}

absl::Status CheckTruncation(const JsonNode& node) {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> direction,
                       node.FindEvenNull("direction"));
  if (direction.has_value()) {
    MOE_RETURN_IF_ERROR(CheckName(*direction, {"Left", "Right"}));
  }
  MOE_ASSIGN_OR_RETURN(const JsonNode strategy, node.Get("strategy"));
  MOE_RETURN_IF_ERROR(
      CheckName(strategy, {"LongestFirst", "OnlyFirst", "OnlySecond"}));
  MOE_RETURN_IF_ERROR(CheckNumber(node, "max_length", kMaxSize));
  return CheckNumber(node, "stride", kMaxSize);
}

absl::Status CheckPadding(const JsonNode& node) {
  MOE_ASSIGN_OR_RETURN(const JsonNode strategy, node.Get("strategy"));
  MOE_RETURN_IF_ERROR(CheckPaddingStrategy(strategy));
  MOE_ASSIGN_OR_RETURN(const JsonNode direction, node.Get("direction"));
  MOE_RETURN_IF_ERROR(CheckName(direction, {"Left", "Right"}));
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> multiple,
                       node.Find("pad_to_multiple_of"));
  if (multiple.has_value()) {
    MOE_RETURN_IF_ERROR(multiple->AsUnsigned(kMaxSize).status());
  }
  MOE_RETURN_IF_ERROR(CheckNumber(node, "pad_id", kMaxId));
  MOE_RETURN_IF_ERROR(CheckNumber(node, "pad_type_id", kMaxId));
  return node.GetString("pad_token").status();
}

}  // namespace moe
