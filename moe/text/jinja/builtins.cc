#include "moe/text/jinja/builtins.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
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

namespace moe::text::jinja {
namespace {

using Made = absl::StatusOr<Value>;

Value Missing(const Value& value, absl::string_view name) {
  return Value(Value::Undefined{
      absl::StrCat(value.TypeName(), "'s ", name.substr(0, 60))});
}

// The position of a Python index, or -1 if it is out of range.
int64_t PlaceOf(int64_t index, size_t size) {
  const int64_t count = static_cast<int64_t>(size);
  if (index < 0) index += count;
  return index >= 0 && index < count ? index : -1;
}

// The limit of Jinja's sandbox.
constexpr int64_t kMaxRange = 100'000;

constexpr absl::string_view kFunctions[] = {"range", "dict", "namespace",
                                            "raise_exception"};

Made Range(const Arguments& arguments, Budget& budget) {
  int64_t bounds[3] = {0, 0, 1};
  const size_t count = arguments.values.size();
  for (size_t i = 0; i < count && i < 3; ++i) {
    if (!arguments.values[i].IsInt()) {
      return absl::InvalidArgumentError(
          absl::StrCat("range: expected a whole number, found ",
                       arguments.values[i].TypeName()));
    }
    bounds[count == 1 ? 1 : i] = arguments.values[i].int_value();
  }
  const auto [start, stop, step] = bounds;
  if (count < 1 || count > 3 || !arguments.named.empty() || step == 0) {
    return absl::InvalidArgumentError(
        "range: expected one to three numbers and a step other than 0");
  }
  Value::List items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<int64_t>(items.size()) == kMaxRange) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "range: expected at most ", kMaxRange, " numbers, found more"));
    }
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return MakeList(std::move(items), budget);
}

// dict(a=1) and namespace(a=1), both with an optional mapping as argument.
Made MakeNamed(bool is_namespace, const Arguments& arguments, Budget& budget) {
  Value::Dict items;
  for (const Value& value : arguments.values) {
    if (!value.IsDict() || arguments.values.size() > 1) {
      return absl::InvalidArgumentError(
          "namespace and dict: expected at most a mapping, and named values");
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
        "strftime_now returns today's date, so the same data would give other "
        "tokens tomorrow; write a date in the template, or guard the call by "
        "\"if strftime_now is defined\"");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a call of \"", name, "\", which is undefined"));
}

// As in Python, an undefined value has items: none.
bool HasItems(const Value& value) {
  return value.IsString() || value.IsList() || value.IsDict() ||
         value.IsUndefined();
}

struct NamedTest {
  absl::string_view name;
  bool (*holds)(const Value& value);
};

constexpr NamedTest kTests[] = {
    {"defined", [](const Value& v) { return !v.IsUndefined(); }},
    {"undefined", [](const Value& v) { return v.IsUndefined(); }},
    {"none", [](const Value& v) { return v.IsNone(); }},
    {"boolean", [](const Value& v) { return v.IsBool(); }},
    {"true", [](const Value& v) { return v.IsBool() && v.bool_value(); }},
    {"false", [](const Value& v) { return v.IsBool() && !v.bool_value(); }},
    {"integer", [](const Value& v) { return v.IsInt() && !v.IsBool(); }},
    {"float", [](const Value& v) { return v.IsFloat(); }},
    {"number", [](const Value& v) { return v.IsNumber(); }},
    {"string", [](const Value& v) { return v.IsString(); }},
    {"mapping", [](const Value& v) { return v.IsDict(); }},
    {"iterable", HasItems},
    {"sequence", HasItems},
    {"callable", [](const Value& v) { return v.IsFunction(); }},
    {"lower",
     [](const Value& v) {
       const std::string text = v.ToString();
       return Lower(text) == text && Upper(text) != text;
     }},
    {"upper",
     [](const Value& v) {
       const std::string text = v.ToString();
       return Upper(text) == text && Lower(text) != text;
     }},
};

struct NamedComparison {
  absl::string_view name;
  bool (*holds)(int compared);
};

constexpr NamedComparison kComparisons[] = {
    {"lt", [](int c) { return c < 0; }},
    {"lessthan", [](int c) { return c < 0; }},
    {"le", [](int c) { return c <= 0; }},
    {"gt", [](int c) { return c > 0; }},
    {"greaterthan", [](int c) { return c > 0; }},
    {"ge", [](int c) { return c >= 0; }},
};

// Whether value % divisor == rest. `rest` is less than the divisor, and 0 if
// the divisor is negative.
absl::StatusOr<bool> ModuloTest(const Value& value, int64_t divisor,
                                int64_t rest) {
  if (!value.IsInt() || divisor == 0 || divisor == -1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a test of divisibility of ", value.TypeName(), " by ", divisor));
  }
  const int64_t remainder = value.int_value() % divisor;
  return (remainder < 0 ? remainder + divisor : remainder) == rest;
}

}  // namespace

absl::Status IsUndefinedError(const Value& value) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", value.undefined().name, "\" is undefined"));
}

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
        absl::StrCat(function, ": expected at most ", parameters.size(),
                     " arguments, found ", arguments.values.size()));
  }
  std::vector<Value> bound = arguments.values;
  bound.resize(parameters.size());
  for (const auto& [name, value] : arguments.named) {
    const auto at = std::find(parameters.begin(), parameters.end(), name);
    if (at == parameters.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(function, ": there is no argument \"", name, "\""));
    }
    const size_t i = static_cast<size_t>(at - parameters.begin());
    if (i < arguments.values.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          function, ": the argument \"", name, "\" is there twice"));
    }
    bound[i] = value;
  }
  return bound;
}

const Builtin* FindBuiltin(const std::vector<Builtin>& builtins,
                           absl::string_view name) {
  for (const Builtin& builtin : builtins) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
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
        absl::StrCat("a loop: expected a text, a list or a mapping, found ",
                     value.TypeName()));
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

void Assign(Value::Dict& items, const std::string& key, Value value) {
  for (auto& item : items) {
    if (item.first != key) continue;
    item.second = std::move(value);
    return;
  }
  items.emplace_back(key, std::move(value));
}

absl::Status SetKey(Value::Dict& items, const std::string& key, Value value) {
  if (value.IsNamespace()) {
    return absl::UnimplementedError("a namespace within another value");
  }
  Assign(items, key, std::move(value));
  return absl::OkStatus();
}

absl::StatusOr<bool> ApplyTest(const std::string& name, const Value& input,
                               const Arguments& arguments, Budget& budget) {
  MOE_RETURN_IF_ERROR(budget.Spend(1));
  for (const NamedTest& test : kTests) {
    if (test.name != name) continue;
    MOE_RETURN_IF_ERROR(Bind(name, arguments, {}).status());
    return test.holds(input);
  }
  if (name == "odd") return ModuloTest(input, 2, 1);
  if (name == "even") return ModuloTest(input, 2, 0);
  MOE_ASSIGN_OR_RETURN(const std::vector<Value> bound,
                       Bind(name, arguments, {"other"}));
  if (name == "eq" || name == "equalto" || name == "==") {
    return input == bound[0];
  }
  if (name == "ne" || name == "!=") return !(input == bound[0]);
  if (name == "in") return Contains(bound[0], input);
  if (name == "sameas") {
    return input.TypeName() == bound[0].TypeName() && input == bound[0];
  }
  if (name == "divisibleby" && bound[0].IsInt()) {
    return ModuloTest(input, bound[0].int_value(), 0);
  }
  for (const NamedComparison& comparison : kComparisons) {
    if (comparison.name != name) continue;
    MOE_ASSIGN_OR_RETURN(const int compared, Compare(input, bound[0]));
    return comparison.holds(compared);
  }
  return absl::UnimplementedError(
      absl::StrCat("the test \"", name.substr(0, 60), "\" is not supported"));
}

}  // namespace moe::text::jinja
