#include "moe/text/tokenizer/json_node.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

constexpr size_t kMaxShownBytes = 60;

std::string Shown(const base::SortedJson& value) {
  if (value.is_object()) return absl::StrCat("an object of ", value.size());
  if (value.is_array()) return absl::StrCat("an array of ", value.size());
  std::string text =
      value.dump(-1, ' ', false, base::SortedJson::error_handler_t::replace);
  if (text.size() > kMaxShownBytes) {
    text = absl::StrCat(text.substr(0, kMaxShownBytes), "...");
  }
  return text;
}

// A path with one more name. Every item below has its own copy of the path, so
// a long name is shortened, or a file of 1 MB could take 100 GB.
std::string Join(absl::string_view path, absl::string_view name) {
  if (name.size() <= kMaxShownBytes) return absl::StrCat(path, "/", name);
  return absl::StrCat(
      path, "/", ReplaceIllFormedUtf8(name.substr(0, kMaxShownBytes)), "...");
}

}  // namespace

absl::Status JsonNode::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(path(), ": ", what));
}

absl::Status JsonNode::WrongType(absl::string_view expected) const {
  return Error(absl::StrCat("expected ", expected, ", found ", Shown(*value_)));
}

absl::Status JsonNode::UnknownType(absl::string_view type,
                                   absl::string_view implemented) const {
  return absl::UnimplementedError(absl::StrCat(path(), ": expected one of ",
                                               implemented, ", found \"", type,
                                               "\", which is not implemented"));
}

absl::StatusOr<std::optional<JsonNode>> JsonNode::FindEvenNull(
    absl::string_view field) const {
  if (!value_->is_object()) return WrongType("an object");
  const auto found = value_->find(std::string(field));
  if (found == value_->end()) return std::nullopt;
  return JsonNode(&*found, Join(path_, field));
}

absl::StatusOr<std::optional<JsonNode>> JsonNode::Find(
    absl::string_view field) const {
  MOE_ASSIGN_OR_RETURN(std::optional<JsonNode> node, FindEvenNull(field));
  if (node.has_value() && node->value().is_null()) return std::nullopt;
  return node;
}

absl::StatusOr<JsonNode> JsonNode::Get(absl::string_view field) const {
  MOE_ASSIGN_OR_RETURN(std::optional<JsonNode> node, Find(field));
  if (!node.has_value()) {
    return Error(
        absl::StrCat("expected the field \"", field, "\", found none; add it"));
  }
  return *std::move(node);
}

absl::StatusOr<std::vector<JsonNode>> JsonNode::Items() const {
  if (!value_->is_array()) return WrongType("an array");
  std::vector<JsonNode> items;
  items.reserve(value_->size());
  for (const base::SortedJson& item : *value_) {
    items.push_back(JsonNode(&item, absl::StrCat(path_, "/", items.size())));
  }
  return items;
}

absl::StatusOr<std::vector<JsonNode>> JsonNode::GetItems(
    absl::string_view field) const {
  MOE_ASSIGN_OR_RETURN(const JsonNode list, Get(field));
  return list.Items();
}

absl::StatusOr<JsonNode::Choice> JsonNode::AsChoice(
    absl::string_view choices) const {
  if (!value_->is_object() || value_->size() != 1) {
    return WrongType(absl::StrCat("an object with one field of ", choices));
  }
  const auto field = value_->begin();
  return Choice{field.key(), JsonNode(&*field, Join(path_, field.key()))};
}

absl::Status JsonNode::OnlyFields(
    absl::Span<const absl::string_view> known) const {
  if (!value_->is_object()) return WrongType("an object");
  for (const auto& [name, value] : value_->items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return Error(absl::StrCat("expected no fields but ",
                              absl::StrJoin(known, ", "), ", found \"", name,
                              "\"; remove it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> JsonNode::AsString() const {
  if (!value_->is_string()) return WrongType("a string");
  return value_->get<std::string>();
}

absl::StatusOr<std::string> JsonNode::AsCharacter() const {
  MOE_ASSIGN_OR_RETURN(std::string text, AsString());
  if (text.empty() || FirstCodePoint(text).num_bytes != text.size()) {
    return WrongType("a string of one character");
  }
  return text;
}

absl::StatusOr<bool> JsonNode::AsBool() const {
  if (!value_->is_boolean()) return WrongType("true or false");
  return value_->get<bool>();
}

absl::StatusOr<int64_t> JsonNode::AsInt(int64_t min, int64_t max) const {
  const bool fits =
      value_->is_number_unsigned()
          ? value_->get<uint64_t>() <= static_cast<uint64_t>(max) &&
                static_cast<int64_t>(value_->get<uint64_t>()) >= min
          : value_->is_number_integer() && value_->get<int64_t>() >= min &&
                value_->get<int64_t>() <= max;
  if (!fits) {
    return WrongType(absl::StrCat("a whole number from ", min, " to ", max));
  }
  return value_->get<int64_t>();
}

absl::StatusOr<uint64_t> JsonNode::AsUnsigned(uint64_t max) const {
  if (!value_->is_number_unsigned() || value_->get<uint64_t>() > max) {
    return WrongType(absl::StrCat("a whole number from 0 to ", max));
  }
  return value_->get<uint64_t>();
}

absl::StatusOr<std::string> JsonNode::GetString(absl::string_view field) const {
  MOE_ASSIGN_OR_RETURN(const JsonNode node, Get(field));
  return node.AsString();
}

absl::StatusOr<bool> JsonNode::GetBool(absl::string_view field) const {
  MOE_ASSIGN_OR_RETURN(const JsonNode node, Get(field));
  return node.AsBool();
}

absl::StatusOr<bool> JsonNode::GetBoolOr(absl::string_view field,
                                         bool value) const {
  MOE_ASSIGN_OR_RETURN(const std::optional<bool> found, FindBool(field));
  return found.value_or(value);
}

absl::StatusOr<std::optional<bool>> JsonNode::FindBool(
    absl::string_view field) const {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node, Find(field));
  if (!node.has_value()) return std::nullopt;
  return node->AsBool();
}

absl::StatusOr<std::optional<std::string>> JsonNode::FindString(
    absl::string_view field) const {
  MOE_ASSIGN_OR_RETURN(const std::optional<JsonNode> node, Find(field));
  if (!node.has_value()) return std::nullopt;
  return node->AsString();
}

}  // namespace moe::text
