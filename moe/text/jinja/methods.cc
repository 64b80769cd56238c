// CallMethod and HasMethod of builtins.h.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/jinja/value.h"

namespace moe::text::jinja {
namespace {

using Made = absl::StatusOr<Value>;
using Bound = std::vector<Value>;

absl::Status CheckIsText(const Value& value) {
  if (value.IsString()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("an argument: expected a text, found ", value.TypeName()));
}

absl::StatusOr<std::optional<absl::string_view>> OptionalText(
    const Value& value) {
  std::optional<absl::string_view> text;
  if (value.IsUndefined() || value.IsNone()) return text;
  MOE_RETURN_IF_ERROR(CheckIsText(value));
  text = value.string();
  return text;
}

absl::StatusOr<int64_t> IntOr(const Value& value, int64_t otherwise) {
  if (value.IsUndefined()) return otherwise;
  if (value.IsInt()) return value.int_value();
  return absl::InvalidArgumentError(absl::StrCat(
      "an argument: expected a whole number, found ", value.TypeName()));
}

template <Ends ends>
Made StripMethod(const Value& self, const Bound& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const auto chars, OptionalText(arguments[0]));
  return MakeString(std::string(Strip(self.string(), ends, chars)), budget);
}

template <std::string (*change)(absl::string_view)>
Made ChangeMethod(const Value& self, const Bound&, Budget& budget) {
  return MakeString(change(self.string()), budget);
}

Made ListOfTexts(std::vector<std::string> parts, Budget& budget) {
  Value::List items;
  for (std::string& part : parts) items.emplace_back(std::move(part));
  return MakeList(std::move(items), budget);
}

// Pays for the parts before the split makes them.
absl::Status PayForSplit(const Value& self, Budget& budget) {
  return budget.Allocate(self.string().size() * 4);
}

Made SplitMethod(const Value& self, const Bound& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const auto separator, OptionalText(arguments[0]));
  MOE_ASSIGN_OR_RETURN(const int64_t max_splits, IntOr(arguments[1], -1));
  if (separator.has_value() && separator->empty()) {
    return absl::InvalidArgumentError(
        "split: expected a separator, found an empty text");
  }
  MOE_RETURN_IF_ERROR(PayForSplit(self, budget));
  return ListOfTexts(Split(self.string(), separator, max_splits), budget);
}

Made RsplitMethod(const Value& self, const Bound& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const auto separator, OptionalText(arguments[0]));
  MOE_ASSIGN_OR_RETURN(const int64_t max_splits, IntOr(arguments[1], -1));
  if (!separator.has_value() || separator->empty()) {
    return absl::UnimplementedError("rsplit without a separator");
  }
  MOE_RETURN_IF_ERROR(PayForSplit(self, budget));
  std::vector<std::string> parts;
  absl::string_view rest = self.string();
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t at = rest.rfind(*separator);
    if (at == absl::string_view::npos) break;
    parts.emplace_back(rest.substr(at + separator->size()));
    rest = rest.substr(0, at);
  }
  parts.emplace_back(rest);
  std::reverse(parts.begin(), parts.end());
  return ListOfTexts(std::move(parts), budget);
}

Made SplitLinesMethod(const Value& self, const Bound&, Budget& budget) {
  MOE_RETURN_IF_ERROR(PayForSplit(self, budget));
  return ListOfTexts(SplitLines(self.string()), budget);
}

template <bool at_end>
Made MatchMethod(const Value& self, const Bound& arguments, Budget&) {
  const Value::List items =
      arguments[0].IsList() ? arguments[0].list() : Value::List{arguments[0]};
  bool found = false;
  for (const Value& item : items) {
    MOE_RETURN_IF_ERROR(CheckIsText(item));
    found = found || (at_end ? absl::EndsWith(self.string(), item.string())
                             : absl::StartsWith(self.string(), item.string()));
  }
  return Value(found);
}

Made ReplaceMethod(const Value& self, const Bound& arguments, Budget& budget) {
  MOE_RETURN_IF_ERROR(CheckIsText(arguments[0]));
  MOE_RETURN_IF_ERROR(CheckIsText(arguments[1]));
  MOE_ASSIGN_OR_RETURN(const int64_t max_count, IntOr(arguments[2], -1));
  std::optional<std::string> text =
      Replace(self.string(), arguments[0].string(), arguments[1].string(),
              max_count, static_cast<size_t>(budget.bytes()));
  if (!text.has_value()) {
    return absl::ResourceExhaustedError(
        "replace makes more text than the limit allows");
  }
  return MakeString(*std::move(text), budget);
}

template <bool from_end>
Made FindMethod(const Value& self, const Bound& arguments, Budget&) {
  MOE_RETURN_IF_ERROR(CheckIsText(arguments[0]));
  const absl::string_view text = self.string();
  const size_t at = from_end ? text.rfind(arguments[0].string())
                             : text.find(arguments[0].string());
  if (at == absl::string_view::npos) return Value(int64_t{-1});
  return Value(CountCharacters(text.substr(0, at)));
}

Made CountMethod(const Value& self, const Bound& arguments, Budget&) {
  int64_t count = 0;
  if (self.IsList()) {
    count = std::count(self.list().begin(), self.list().end(), arguments[0]);
    return Value(count);
  }
  MOE_RETURN_IF_ERROR(CheckIsText(arguments[0]));
  const std::string& what = arguments[0].string();
  if (what.empty()) return Value(CountCharacters(self.string()) + 1);
  for (size_t at = self.string().find(what); at != std::string::npos;
       at = self.string().find(what, at + what.size())) {
    ++count;
  }
  return Value(count);
}

Made IsDigitMethod(const Value& self, const Bound&, Budget&) {
  const std::string& text = self.string();
  return Value(!text.empty() &&
               std::all_of(text.begin(), text.end(), [](char c) {
                 return absl::ascii_isdigit(static_cast<unsigned char>(c));
               }));
}

Made JoinMethod(const Value& self, const Bound& arguments, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(const Value::List items, Iterate(arguments[0], budget));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    MOE_RETURN_IF_ERROR(CheckIsText(items[i]));
    const absl::string_view between =
        i > 0 ? absl::string_view(self.string()) : absl::string_view();
    MOE_RETURN_IF_ERROR(
        budget.Allocate(between.size() + items[i].string().size()));
    absl::StrAppend(&out, between, items[i].string());
  }
  return Value(std::move(out));
}

template <bool from_end>
Made RemoveMethod(const Value& self, const Bound& arguments, Budget& budget) {
  MOE_RETURN_IF_ERROR(CheckIsText(arguments[0]));
  absl::string_view text = self.string();
  from_end ? absl::ConsumeSuffix(&text, arguments[0].string())
           : absl::ConsumePrefix(&text, arguments[0].string());
  return MakeString(std::string(text), budget);
}

Made IndexMethod(const Value& self, const Bound& arguments, Budget&) {
  const Value::List& items = self.list();
  const auto at = std::find(items.begin(), items.end(), arguments[0]);
  if (at != items.end()) return Value(int64_t{at - items.begin()});
  return absl::InvalidArgumentError(
      "index: expected an item of the list, found another value");
}

Made ItemsMethod(const Value& self, const Bound&, Budget& budget) {
  Value::List pairs;
  for (const auto& [key, item] : self.dict()) {
    MOE_ASSIGN_OR_RETURN(Value pair, MakeList({Value(key), item}, budget));
    pairs.push_back(std::move(pair));
  }
  return MakeList(std::move(pairs), budget);
}

Made KeysMethod(const Value& self, const Bound&, Budget& budget) {
  MOE_ASSIGN_OR_RETURN(Value::List keys, Iterate(self, budget));
  return MakeList(std::move(keys), budget);
}

Made ValuesMethod(const Value& self, const Bound&, Budget& budget) {
  Value::List values;
  for (const auto& [key, item] : self.dict()) values.push_back(item);
  return MakeList(std::move(values), budget);
}

Made GetMethod(const Value& self, const Bound& arguments, Budget&) {
  const Value* const found =
      arguments[0].IsString() ? self.Find(arguments[0].string()) : nullptr;
  if (found != nullptr) return *found;
  return arguments[1].IsUndefined() ? Value(Value::None{}) : arguments[1];
}

const std::vector<Builtin>& TextMethods() {
  static const auto& methods = *new std::vector<Builtin>{
      {"strip", {"chars"}, StripMethod<Ends::kBoth>},
      {"lstrip", {"chars"}, StripMethod<Ends::kLeft>},
      {"rstrip", {"chars"}, StripMethod<Ends::kRight>},
      {"upper", {}, ChangeMethod<Upper>},
      {"lower", {}, ChangeMethod<Lower>},
      {"title", {}, ChangeMethod<Title>},
      {"capitalize", {}, ChangeMethod<Capitalize>},
      {"split", {"sep", "maxsplit"}, SplitMethod},
      {"rsplit", {"sep", "maxsplit"}, RsplitMethod},
      {"splitlines", {}, SplitLinesMethod},
      {"startswith", {"prefix"}, MatchMethod<false>},
      {"endswith", {"suffix"}, MatchMethod<true>},
      {"replace", {"old", "new", "count"}, ReplaceMethod},
      {"find", {"sub"}, FindMethod<false>},
      {"rfind", {"sub"}, FindMethod<true>},
      {"count", {"sub"}, CountMethod},
      {"isdigit", {}, IsDigitMethod},
      {"join", {"iterable"}, JoinMethod},
      {"removeprefix", {"prefix"}, RemoveMethod<false>},
      {"removesuffix", {"suffix"}, RemoveMethod<true>},
  };
  return methods;
}

const std::vector<Builtin>& ListMethods() {
  static const auto& methods = *new std::vector<Builtin>{
      {"count", {"value"}, CountMethod}, {"index", {"value"}, IndexMethod}};
  return methods;
}

const std::vector<Builtin>& DictMethods() {
  static const auto& methods =
      *new std::vector<Builtin>{{"items", {}, ItemsMethod},
                                {"keys", {}, KeysMethod},
                                {"values", {}, ValuesMethod},
                                {"get", {"key", "default"}, GetMethod}};
  return methods;
}

const Builtin* FindMethodOf(const Value& self, absl::string_view name) {
  static const auto& none = *new std::vector<Builtin>;
  const std::vector<Builtin>& methods = self.IsString() ? TextMethods()
                                        : self.IsList() ? ListMethods()
                                        : self.IsDict() ? DictMethods()
                                                        : none;
  return FindBuiltin(methods, name);
}

}  // namespace

bool HasMethod(const Value& self, absl::string_view name) {
  return FindMethodOf(self, name) != nullptr;
}

absl::StatusOr<Value> CallMethod(const std::string& name, const Value& self,
                                 const Arguments& arguments, Budget& budget) {
  const Builtin* const method = FindMethodOf(self, name);
  if (method == nullptr) {
    return absl::UnimplementedError(absl::StrCat(
        "the method \"", name.substr(0, 60), "\" of ", self.TypeName(),
        " is not supported; methods that change a value are not allowed"));
  }
  MOE_ASSIGN_OR_RETURN(const Bound bound,
                       Bind(name, arguments, method->parameters));
  return method->call(self, bound, budget);
}

}  // namespace moe::text::jinja
