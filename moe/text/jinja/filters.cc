// ApplyFilter of builtins.h.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/jinja/value.h"

namespace moe::text::jinja {
namespace {

using Made = absl::StatusOr<Value>;
using Bound = std::vector<Value>;

// An attribute by its path: "function.name", "0".
absl::StatusOr<Value> ByPath(Value value, const Value& path) {
  if (path.IsInt()) return GetItem(value, path);
  if (!path.IsString()) {
    return absl::InvalidArgumentError(
        absl::StrCat("an attribute: expected a text, found ", path.TypeName()));
  }
  for (const absl::string_view name : absl::StrSplit(path.string(), '.')) {
    int64_t index = 0;
    MOE_ASSIGN_OR_RETURN(
        value, GetItem(value, absl::SimpleAtoi(name, &index) ? Value(index)
                                                             : Value(name)));
  }
  return value;
}

// The key that Jinja sorts by: by default, texts without regard to case.
Value SortKey(const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.IsString()) return value;
  return Value(Lower(value.string()));
}

template <std::string (*change)(absl::string_view)>
Made ChangeFilter(const Value& input, const Bound&, Budget& budget) {
  return MakeString(change(input.ToString()), budget);
}

// Words begin at the start, and after "-", blanks and opening brackets.
std::string TitleOfWords(absl::string_view text) {
  std::string out;
  std::string word;
  const auto flush = [&] {
    out += Capitalize(word);
    word.clear();
  };
  for (const absl::string_view c : Characters(text)) {
    const bool is_break =
        Strip(c, Ends::kLeft).empty() || absl::StrContains("-({[<", c);
    if (!is_break) {
      absl::StrAppend(&word, c);
      continue;
    }
    flush();
    absl::StrAppend(&out, c);
  }
  flush();
  return out;
}

Made TrimFilter(const Value& input, const Bound& arguments, Budget& budget) {
  const std::string text = input.ToString();
  std::optional<absl::string_view> chars;
  if (arguments[0].IsString()) chars = arguments[0].string();
  return MakeString(std::string(Strip(text, Ends::kBoth, chars)), budget);
}

Made ToJsonFilter(const Value& input, const Bound& arguments, Budget& budget) {
  JsonStyle style;
  style.ensure_ascii = arguments[0].IsTrue();
  if (arguments[1].IsInt()) {
    style.indent = arguments[1].int_value();
    if (style.indent < 0 || style.indent > 16) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tojson: expected an indent from 0 to 16, found ", style.indent));
    }
  }
  if (arguments[2].IsList() && arguments[2].list().size() == 2) {
    style.item_separator = arguments[2].list()[0].ToString();
    style.key_separator = arguments[2].list()[1].ToString();
  }
  style.sort_keys = arguments[3].IsTrue();
  MOE_ASSIGN_OR_RETURN(std::string text, ToJson(input, style));
  return MakeString(std::move(text), budget);
}

Made LengthFilter(const Value& input, const Bound&, Budget&) {
  if (input.IsUndefined()) return Value(int64_t{0});
  if (input.IsString()) return Value(CountCharacters(input.string()));
  if (input.IsList()) return Value(static_cast<int64_t>(input.list().size()));
  if (input.IsDict()) return Value(static_cast<int64_t>(input.dict().size()));
  return absl::InvalidArgumentError(
      absl::StrCat("length: expected a text, a list or a mapping, found ",
                   input.TypeName()));
}

Made ReplaceFilter(const Value& input, const Bound& arguments, Budget& budget) {
  Arguments call;
  call.values = {Value(arguments[0].ToString()),
                 Value(arguments[1].ToString())};
  if (arguments[2].IsInt()) call.values.push_back(arguments[2]);
  return CallMethod("replace", Value(input.ToString()), call, budget);
}

Made JoinFilter(const Value& input, const Bound& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const Value::List items, Iterate(input, budget));
  const std::string between = arguments[0].ToString();
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    Value item = items[i];
    if (!arguments[1].IsUndefined()) {
      MOE_ASSIGN_OR_RETURN(item, ByPath(std::move(item), arguments[1]));
    }
    const std::string text = item.ToString();
    MOE_RETURN_IF_ERROR(budget.Allocate(between.size() + text.size()));
    absl::StrAppend(&out, i > 0 ? between : "", text);
  }
  return Value(std::move(out));
}

template <bool is_first>
Made EndFilter(const Value& input, const Bound&, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const Value::List items, Iterate(input, budget));
  if (!items.empty()) return is_first ? items.front() : items.back();
  return Value(Value::Undefined{is_first ? "the first of nothing"
                                         : "the last of nothing"});
}

Made ListFilter(const Value& input, const Bound&, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(Value::List items, Iterate(input, budget));
  return MakeList(std::move(items), budget);
}

Made DefaultFilter(const Value& input, const Bound& arguments, Budget&) {
  const bool is_missing =
      input.IsUndefined() || (arguments[1].IsTrue() && !input.IsTrue());
  if (!is_missing) return input;
  return arguments[0].IsUndefined() ? Value("") : arguments[0];
}

Made SafeFilter(const Value& input, const Bound&, Budget&) { return input; }

Made StringFilter(const Value& input, const Bound&, Budget& budget) {
  return MakeString(input.ToString(), budget);
}

Made IndentFilter(const Value& input, const Bound& arguments, Budget& budget) {
  std::string indent(4, ' ');
  if (arguments[0].IsString()) indent = arguments[0].string();
  if (arguments[0].IsInt()) {
    const int64_t width = arguments[0].int_value();
    if (width < 0 || width > 1000) {
      return absl::InvalidArgumentError(absl::StrCat(
          "indent: expected a width from 0 to 1000, found ", width));
    }
    indent.assign(static_cast<size_t>(width), ' ');
  }
  const std::vector<std::string> lines = SplitLines(input.ToString() + "\n");
  std::string out = arguments[1].IsTrue() ? indent : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool is_indented =
        i > 0 && (arguments[2].IsTrue() || !lines[i].empty());
    MOE_RETURN_IF_ERROR(budget.Allocate(indent.size() + lines[i].size() + 1));
    absl::StrAppend(&out, i > 0 ? "\n" : "", is_indented ? indent : "",
                    lines[i]);
  }
  return Value(std::move(out));
}

Made IntFilter(const Value& input, const Bound& arguments, Budget&) {
  const Value otherwise =
      arguments[0].IsUndefined() ? Value(int64_t{0}) : arguments[0];
  if (input.IsInt()) return Value(input.int_value());
  int64_t whole = 0;
  double real = 0;
  if (input.IsString()) {
    if (absl::SimpleAtoi(input.string(), &whole)) return Value(whole);
    if (!absl::SimpleAtod(input.string(), &real)) return otherwise;
  } else if (input.IsFloat()) {
    real = input.number();
  } else {
    return otherwise;
  }
  if (!(std::fabs(real) < 9e18)) return otherwise;
  return Value(static_cast<int64_t>(real));
}

Made FloatFilter(const Value& input, const Bound& arguments, Budget&) {
  double real = 0;
  if (input.IsNumber()) return Value(input.number());
  if (input.IsString() && absl::SimpleAtod(input.string(), &real)) {
    return Value(real);
  }
  return arguments[0].IsUndefined() ? Value(0.0) : arguments[0];
}

Made AbsFilter(const Value& input, const Bound&, Budget&) {
  if (input.IsFloat()) return Value(std::fabs(input.number()));
  if (input.IsInt() &&
      input.int_value() != std::numeric_limits<int64_t>::min()) {
    return Value(input.int_value() < 0 ? -input.int_value()
                                       : input.int_value());
  }
  return absl::InvalidArgumentError(
      absl::StrCat("abs: expected a number, found ", input.TypeName()));
}

Made ItemsFilter(const Value& input, const Bound&, Budget& budget) {
  if (input.IsUndefined()) return Value::FromList({});
  if (input.IsDict()) return CallMethod("items", input, {}, budget);
  return absl::InvalidArgumentError(
      absl::StrCat("items: expected a mapping, found ", input.TypeName()));
}

// Sorts the items by their keys; equal keys keep their order.
Made SortBy(const Value::List& items, const Value::List& keys, bool reverse,
            Budget& budget) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  absl::Status status;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (!status.ok()) return false;
    status = budget.Spend(1);
    const absl::StatusOr<int> compared = Compare(keys[a], keys[b]);
    if (!compared.ok()) status = compared.status();
    if (!status.ok()) return false;
    return reverse ? *compared > 0 : *compared < 0;
  });
  MOE_RETURN_IF_ERROR(status);
  Value::List sorted;
  for (const size_t i : order) sorted.push_back(items[i]);
  return MakeList(std::move(sorted), budget);
}

// The sort key of each item, or of its attribute.
absl::StatusOr<Value::List> Keys(const Value::List& items,
                                 const Value& attribute, bool case_sensitive) {
  Value::List keys;
  for (const Value& item : items) {
    Value key = item;
    if (!attribute.IsUndefined() && !attribute.IsNone()) {
      MOE_ASSIGN_OR_RETURN(key, ByPath(item, attribute));
    }
    keys.push_back(SortKey(key, case_sensitive));
  }
  return keys;
}

Made SortFilter(const Value& input, const Bound& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const Value::List items, Iterate(input, budget));
  MOE_ASSIGN_OR_RETURN(const Value::List keys,
                       Keys(items, arguments[2], arguments[1].IsTrue()));
  return SortBy(items, keys, arguments[0].IsTrue(), budget);
}

Made DictSortFilter(const Value& input, const Bound& arguments,
                    Budget& budget) {
  if (!input.IsDict()) {
    return absl::InvalidArgumentError(
        absl::StrCat("dictsort: expected a mapping, found ", input.TypeName()));
  }
  MOE_ASSIGN_OR_RETURN(const Value pairs,
                       CallMethod("items", input, {}, budget));
  const bool by_value =
      arguments[1].IsString() && arguments[1].string() == "value";
  MOE_ASSIGN_OR_RETURN(const Value::List keys,
                       Keys(pairs.list(), Value(int64_t{by_value ? 1 : 0}),
                            arguments[0].IsTrue()));
  return SortBy(pairs.list(), keys, arguments[2].IsTrue(), budget);
}

Made UniqueFilter(const Value& input, const Bound& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const Value::List items, Iterate(input, budget));
  MOE_ASSIGN_OR_RETURN(const Value::List keys,
                       Keys(items, arguments[1], arguments[0].IsTrue()));
  Value::List seen;
  Value::List out;
  for (size_t i = 0; i < items.size(); ++i) {
    MOE_RETURN_IF_ERROR(budget.Spend(static_cast<int64_t>(seen.size())));
    if (std::find(seen.begin(), seen.end(), keys[i]) != seen.end()) continue;
    seen.push_back(keys[i]);
    out.push_back(items[i]);
  }
  return MakeList(std::move(out), budget);
}

Made ReverseFilter(const Value& input, const Bound&, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(Value::List items, Iterate(input, budget));
  std::reverse(items.begin(), items.end());
  if (!input.IsString()) return MakeList(std::move(items), budget);
  std::string out;
  for (const Value& item : items) out += item.string();
  return MakeString(std::move(out), budget);
}

template <int sign>
Made ExtremeFilter(const Value& input, const Bound& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const Value::List items, Iterate(input, budget));
  if (items.empty()) return Value(Value::Undefined{"the extreme of nothing"});
  MOE_ASSIGN_OR_RETURN(const Value::List keys,
                       Keys(items, arguments[1], arguments[0].IsTrue()));
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    MOE_ASSIGN_OR_RETURN(const int compared, Compare(keys[i], keys[best]));
    if (compared == sign) best = i;
  }
  return items[best];
}

const std::vector<Builtin>& Filters() {
  static const auto& filters = *new std::vector<Builtin>{
      {"trim", {"chars"}, TrimFilter},
      {"tojson",
       {"ensure_ascii", "indent", "separators", "sort_keys"},
       ToJsonFilter},
      {"length", {}, LengthFilter},
      {"count", {}, LengthFilter},
      {"upper", {}, ChangeFilter<Upper>},
      {"lower", {}, ChangeFilter<Lower>},
      {"capitalize", {}, ChangeFilter<Capitalize>},
      {"title", {}, ChangeFilter<TitleOfWords>},
      {"replace", {"old", "new", "count"}, ReplaceFilter},
      {"join", {"d", "attribute"}, JoinFilter},
      {"first", {}, EndFilter<true>},
      {"last", {}, EndFilter<false>},
      {"list", {}, ListFilter},
      {"default", {"default_value", "boolean"}, DefaultFilter},
      {"d", {"default_value", "boolean"}, DefaultFilter},
      {"safe", {}, SafeFilter},
      {"string", {}, StringFilter},
      {"indent", {"width", "first", "blank"}, IndentFilter},
      {"int", {"default"}, IntFilter},
      {"float", {"default"}, FloatFilter},
      {"abs", {}, AbsFilter},
      {"items", {}, ItemsFilter},
      {"sort", {"reverse", "case_sensitive", "attribute"}, SortFilter},
      {"dictsort", {"case_sensitive", "by", "reverse"}, DictSortFilter},
      {"unique", {"case_sensitive", "attribute"}, UniqueFilter},
      {"reverse", {}, ReverseFilter},
      {"min", {"case_sensitive", "attribute"}, ExtremeFilter<-1>},
      {"max", {"case_sensitive", "attribute"}, ExtremeFilter<1>},
  };
  return filters;
}

// map("filter", ...) and map(attribute="path", default=...).
Made MapFilter(const Value& input, const Arguments& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(Value::List items, Iterate(input, budget));
  Arguments rest = arguments;
  std::string name;
  if (!rest.values.empty()) {
    name = rest.values[0].ToString();
    rest.values.erase(rest.values.begin());
  }
  for (Value& item : items) {
    MOE_RETURN_IF_ERROR(budget.Spend(1));
    if (!name.empty()) {
      MOE_ASSIGN_OR_RETURN(item, ApplyFilter(name, item, rest, budget));
      continue;
    }
    MOE_ASSIGN_OR_RETURN(const Bound bound,
                         Bind("map", rest, {"attribute", "default"}));
    MOE_ASSIGN_OR_RETURN(item, ByPath(item, bound[0]));
    if (item.IsUndefined()) item = bound[1];
  }
  return MakeList(std::move(items), budget);
}

// select and reject: keeps the items that (or whose attribute) pass a test, or
// those that fail it.
Made SelectFilter(const Value& input, const Arguments& arguments,
                  bool by_attribute, bool wanted, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const Value::List items, Iterate(input, budget));
  Arguments rest = arguments;
  if (by_attribute && rest.values.empty()) {
    return absl::InvalidArgumentError(
        "selectattr: expected an attribute, found none");
  }
  Value attribute;
  if (by_attribute) {
    attribute = rest.values[0];
    rest.values.erase(rest.values.begin());
  }
  std::string test;
  if (!rest.values.empty()) {
    test = rest.values[0].ToString();
    rest.values.erase(rest.values.begin());
  }
  Value::List out;
  for (const Value& item : items) {
    MOE_RETURN_IF_ERROR(budget.Spend(1));
    Value tested = item;
    if (by_attribute) {
      MOE_ASSIGN_OR_RETURN(tested, ByPath(item, attribute));
    }
    bool holds = tested.IsTrue();
    if (!test.empty()) {
      MOE_ASSIGN_OR_RETURN(holds, ApplyTest(test, tested, rest, budget));
    }
    if (holds == wanted) out.push_back(item);
  }
  return MakeList(std::move(out), budget);
}

}  // namespace

absl::StatusOr<Value> ApplyFilter(const std::string& name, const Value& input,
                                  const Arguments& arguments, Budget& budget) {
  if (name == "map") return MapFilter(input, arguments, budget);
  for (const bool by_attribute : {false, true}) {
    const absl::string_view suffix = by_attribute ? "attr" : "";
    for (const bool wanted : {false, true}) {
      if (name != absl::StrCat(wanted ? "select" : "reject", suffix)) continue;
      return SelectFilter(input, arguments, by_attribute, wanted, budget);
    }
  }
  if (const Builtin* const filter = FindBuiltin(Filters(), name)) {
    MOE_ASSIGN_OR_RETURN(const Bound bound,
                         Bind(name, arguments, filter->parameters));
    return filter->call(input, bound, budget);
  }
  return absl::UnimplementedError(
      absl::StrCat("the filter \"", name.substr(0, 60), "\" is not supported"));
}

}  // namespace moe::text::jinja
