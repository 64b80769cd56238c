// ApplyTest of builtins.h.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/jinja/value.h"

namespace moe::jinja {
namespace {

using Holds = bool (*)(const Value& value);

struct NamedTest {
  absl::string_view name;
  Holds holds;
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
    // What has no items counts: Python's own answer for what is undefined.
    {"iterable",
     [](const Value& v) {
       return v.IsString() || v.IsList() || v.IsDict() || v.IsUndefined();
     }},
    {"sequence",
     [](const Value& v) {
       return v.IsString() || v.IsList() || v.IsDict() || v.IsUndefined();
     }},
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
  std::vector<absl::string_view> names;
  bool (*holds)(int compared);
};

const std::vector<NamedComparison>& Comparisons() {
  static const auto& comparisons = *new std::vector<NamedComparison>{
      {{"lt", "lessthan"}, [](int c) { return c < 0; }},
      {{"le"}, [](int c) { return c <= 0; }},
      {{"gt", "greaterthan"}, [](int c) { return c > 0; }},
      {{"ge"}, [](int c) { return c >= 0; }}};
  return comparisons;
}

// `rest` is below the divisor, and 0 where that is negative.
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
  for (const NamedComparison& comparison : Comparisons()) {
    for (const absl::string_view known : comparison.names) {
      if (known != name) continue;
      MOE_ASSIGN_OR_RETURN(const int compared, Compare(input, bound[0]));
      return comparison.holds(compared);
    }
  }
  return absl::UnimplementedError(
      absl::StrCat("the test \"", name.substr(0, 60), "\" is not supported"));
}

}  // namespace moe::jinja
