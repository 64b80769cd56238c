// CallFunction, IsFunctionName and SetKey of builtins.h.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/value.h"

namespace moe::jinja {
namespace {

using Made = absl::StatusOr<Value>;

// As Jinja's sandbox has it.
constexpr int64_t kMaxRange = 100'000;

constexpr absl::string_view kFunctions[] = {"range", "dict", "namespace",
                                            "raise_exception"};

Made Range(const Arguments& arguments, Budget& budget) {
  int64_t bounds[3] = {0, 0, 1};
  const size_t count = arguments.values.size();
  for (size_t i = 0; i < count && i < 3; ++i) {
    if (!arguments.values[i].IsInt()) {
      return absl::InvalidArgumentError("range takes whole numbers");
    }
    bounds[count == 1 ? 1 : i] = arguments.values[i].int_value();
  }
  const auto [start, stop, step] = bounds;
  if (count < 1 || count > 3 || !arguments.named.empty() || step == 0) {
    return absl::InvalidArgumentError(
        "range takes one to three numbers, the step not 0");
  }
  Value::List items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<int64_t>(items.size()) == kMaxRange) {
      return absl::ResourceExhaustedError(
          absl::StrCat("range gives more than ", kMaxRange, " numbers"));
    }
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return MakeList(std::move(items), budget);
}

// dict(a=1) and namespace(a=1), both with a mapping before.
Made MakeNamed(bool is_namespace, const Arguments& arguments, Budget& budget) {
  Value::Dict items;
  for (const Value& value : arguments.values) {
    if (!value.IsDict() || arguments.values.size() > 1) {
      return absl::InvalidArgumentError(
          "namespace and dict take a mapping and named values");
    }
    items = value.dict();
  }
  for (const auto& [name, value] : arguments.named) {
    MOE_RETURN_IF_ERROR(SetKey(items, name, value));
  }
  MOE_RETURN_IF_ERROR(budget.Allocate(items.size() * sizeof(Value)));
  if (!is_namespace) return Value::FromDict(std::move(items));
  return Value(std::make_shared<Value::Dict>(std::move(items)));
}

absl::Status NotCallable(const Value& value) {
  if (!value.IsUndefined()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a call of ", value.TypeName()));
  }
  const std::string& name = value.undefined().name;
  if (name == "strftime_now") {
    return absl::UnimplementedError(
        "strftime_now gives the date of the day, by which the same data would "
        "give other tokens tomorrow; write a date in the template, or guard "
        "the call by \"if strftime_now is defined\"");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a call of \"", name, "\", which is undefined"));
}

}  // namespace

bool IsFunctionName(absl::string_view name) {
  return std::count(std::begin(kFunctions), std::end(kFunctions), name) > 0;
}

absl::StatusOr<Value> CallFunction(const Value& function,
                                   const Arguments& arguments, Budget& budget) {
  if (!function.IsFunction()) return NotCallable(function);
  const std::string& name = function.function().name;
  if (name == "range") return Range(arguments, budget);
  if (name != "raise_exception") {
    return MakeNamed(name == "namespace", arguments, budget);
  }
  MOE_ASSIGN_OR_RETURN(const Value::List bound,
                       Bind(name, arguments, {"message"}));
  return absl::InvalidArgumentError(absl::StrCat(
      "the template refuses the conversation: ", bound[0].ToString()));
}

absl::Status SetKey(Value::Dict& items, const std::string& key, Value value) {
  if (value.IsNamespace()) {
    return absl::UnimplementedError("a namespace within another value");
  }
  for (auto& item : items) {
    if (item.first != key) continue;
    item.second = std::move(value);
    return absl::OkStatus();
  }
  items.emplace_back(key, std::move(value));
  return absl::OkStatus();
}

}  // namespace moe::jinja
