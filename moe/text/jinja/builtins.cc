#include "moe/text/jinja/builtins.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/jinja/value.h"

namespace moe::jinja {
namespace {

absl::Status IsUndefinedError(const Value& value) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", value.undefined().name, "\" is undefined"));
}

Value Missing(const Value& value, absl::string_view name) {
  return Value(Value::Undefined{
      absl::StrCat(value.TypeName(), "'s ", name.substr(0, 60))});
}

// The place of a Python index, or -1.
int64_t PlaceOf(int64_t index, size_t size) {
  const int64_t count = static_cast<int64_t>(size);
  if (index < 0) index += count;
  return index >= 0 && index < count ? index : -1;
}

}  // namespace

absl::Status Budget::Spend(int64_t steps) {
  steps_ -= steps;
  if (steps_ >= 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      "the template takes more steps than the limit allows");
}

absl::Status Budget::Allocate(size_t bytes) {
  if (bytes > static_cast<size_t>(std::max<int64_t>(bytes_, 0))) {
    bytes_ = 0;
    return absl::ResourceExhaustedError(
        "the template makes more text than the limit allows");
  }
  bytes_ -= static_cast<int64_t>(bytes);
  return Spend(static_cast<int64_t>(bytes / 64));
}

absl::StatusOr<std::vector<Value>> Bind(
    absl::string_view function, const Arguments& arguments,
    const std::vector<absl::string_view>& parameters) {
  if (arguments.values.size() > parameters.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(function, " has ", arguments.values.size(),
                     " arguments; supported are ", parameters.size()));
  }
  std::vector<Value> bound = arguments.values;
  bound.resize(parameters.size());
  for (const auto& [name, value] : arguments.named) {
    const auto at = std::find(parameters.begin(), parameters.end(), name);
    if (at == parameters.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(function, " has no argument \"", name, "\""));
    }
    const size_t i = static_cast<size_t>(at - parameters.begin());
    if (i < arguments.values.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          function, " is given the argument \"", name, "\" twice"));
    }
    bound[i] = value;
  }
  return bound;
}

absl::StatusOr<Value::List> Iterate(const Value& value, Budget& budget) {
  Value::List items;
  if (value.IsList()) {
    items = value.list();
  } else if (value.IsDict()) {
    for (const auto& [key, item] : value.dict()) items.emplace_back(key);
  } else if (value.IsString()) {
    MOE_RETURN_IF_ERROR(budget.Allocate(value.string().size() * sizeof(Value)));
    for (const absl::string_view c : Characters(value.string())) {
      items.emplace_back(c);
    }
  } else if (!value.IsUndefined()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot go through ", value.TypeName()));
  }
  MOE_RETURN_IF_ERROR(budget.Allocate(items.size() * sizeof(Value)));
  return items;
}

absl::StatusOr<Value> GetAttribute(const Value& value,
                                   const std::string& name) {
  if (value.IsUndefined()) return IsUndefinedError(value);
  if (HasMethod(value, name)) {
    return absl::UnimplementedError(absl::StrCat(
        "the method ", name, " of ", value.TypeName(), " without a call"));
  }
  if (value.IsDict() || value.IsNamespace()) {
    const Value* const found = value.Find(name);
    if (found != nullptr) return *found;
  }
  return Missing(value, name);
}

absl::StatusOr<Value> GetItem(const Value& value, const Value& index) {
  if (value.IsUndefined()) return IsUndefinedError(value);
  if (index.IsString() && (value.IsDict() || value.IsNamespace())) {
    const Value* const found = value.Find(index.string());
    return found != nullptr ? *found : Missing(value, index.string());
  }
  if (index.IsInt() && value.IsList()) {
    const int64_t at = PlaceOf(index.int_value(), value.list().size());
    if (at >= 0) return value.list()[static_cast<size_t>(at)];
  }
  if (index.IsInt() && value.IsString()) {
    const auto characters = Characters(value.string());
    const int64_t at = PlaceOf(index.int_value(), characters.size());
    if (at >= 0) return Value(characters[static_cast<size_t>(at)]);
  }
  return Missing(value, index.ToString());
}

absl::StatusOr<bool> Contains(const Value& container, const Value& item) {
  if (container.IsUndefined()) return false;
  if (container.IsList()) {
    const Value::List& items = container.list();
    return std::find(items.begin(), items.end(), item) != items.end();
  }
  if (container.IsDict()) {
    return item.IsString() && container.Find(item.string()) != nullptr;
  }
  if (container.IsString() && item.IsString()) {
    return absl::StrContains(container.string(), item.string());
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "cannot look for ", item.TypeName(), " in ", container.TypeName()));
}

absl::StatusOr<Value> MakeList(Value::List items, Budget& budget) {
  MOE_RETURN_IF_ERROR(budget.Allocate(items.size() * sizeof(Value)));
  return Value::FromList(std::move(items));
}

absl::StatusOr<Value> MakeString(std::string text, Budget& budget) {
  MOE_RETURN_IF_ERROR(budget.Allocate(text.size()));
  return Value(std::move(text));
}

}  // namespace moe::jinja
