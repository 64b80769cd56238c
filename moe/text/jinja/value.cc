#include "moe/text/jinja/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/python_string.h"

namespace moe::text::jinja {
namespace {

absl::Status TooDeep() {
  return absl::InvalidArgumentError(
      absl::StrCat("a value nests deeper than ", kMaxValueDepth,
                   ", or holds a namespace; neither is supported"));
}

// As Python's repr(): the shortest digits that read back as the number.
std::string ReprOfDouble(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const double size = std::fabs(value);
  const bool is_scientific = size != 0 && (size < 1e-4 || size >= 1e16);
  const auto result = std::to_chars(
      buffer, buffer + sizeof(buffer), value,
      is_scientific ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(buffer, result.ptr);
  if (!is_scientific && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string Indentation(const JsonStyle& style, int64_t level) {
  if (style.indent < 0) return "";
  return "\n" + std::string(static_cast<size_t>(style.indent * level), ' ');
}

std::string ItemSeparator(const JsonStyle& style) {
  // As json.dumps, where an indent is given and no separators are.
  if (style.indent >= 0 && style.item_separator == ", ") return ",";
  return style.item_separator;
}

absl::StatusOr<std::string> WriteJson(const Value& value,
                                      const JsonStyle& style, int64_t level);

absl::StatusOr<std::string> JsonOfList(const Value& value,
                                       const JsonStyle& style, int64_t level) {
  if (value.list().empty()) return std::string("[]");
  std::string out = "[";
  for (const Value& item : value.list()) {
    if (out.size() > 1) out += ItemSeparator(style);
    MOE_ASSIGN_OR_RETURN(const std::string text,
                         WriteJson(item, style, level + 1));
    absl::StrAppend(&out, Indentation(style, level + 1), text);
  }
  return absl::StrCat(out, Indentation(style, level), "]");
}

absl::StatusOr<std::string> JsonOfDict(const Value& value,
                                       const JsonStyle& style, int64_t level) {
  if (value.dict().empty()) return std::string("{}");
  Value::Dict items = value.dict();
  if (style.sort_keys) {
    std::stable_sort(
        items.begin(), items.end(),
        [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  std::string out = "{";
  for (const auto& [key, item] : items) {
    if (out.size() > 1) out += ItemSeparator(style);
    MOE_ASSIGN_OR_RETURN(const std::string text,
                         WriteJson(item, style, level + 1));
    absl::StrAppend(&out, Indentation(style, level + 1),
                    JsonQuoted(key, style.ensure_ascii), style.key_separator,
                    text);
  }
  return absl::StrCat(out, Indentation(style, level), "}");
}

absl::StatusOr<std::string> WriteJson(const Value& value,
                                      const JsonStyle& style, int64_t level) {
  if (value.IsString()) return JsonQuoted(value.string(), style.ensure_ascii);
  if (value.IsList()) return JsonOfList(value, style, level);
  if (value.IsDict()) return JsonOfDict(value, style, level);
  if (value.IsNone()) return std::string("null");
  if (value.IsBool()) return std::string(value.bool_value() ? "true" : "false");
  if (value.IsFloat() && std::isnan(value.number())) return std::string("NaN");
  if (value.IsFloat() && std::isinf(value.number())) {
    return std::string(value.number() < 0 ? "-Infinity" : "Infinity");
  }
  if (value.IsNumber()) return value.ToString();
  return absl::InvalidArgumentError(
      absl::StrCat("tojson: ", value.TypeName(), " cannot be written as JSON"));
}

bool EqualDicts(const Value& a, const Value& b) {
  if (a.dict().size() != b.dict().size()) return false;
  for (const auto& [key, value] : a.dict()) {
    const Value* const other = b.Find(key);
    if (other == nullptr || !(value == *other)) return false;
  }
  return true;
}

}  // namespace

int Value::Depth() const {
  if (IsNamespace()) return kMaxValueDepth;
  if (IsList()) return std::get<SharedList>(data_).depth;
  if (IsDict()) return std::get<SharedDict>(data_).depth;
  return 0;
}

absl::StatusOr<Value> Value::FromList(List items) {
  SharedList shared;
  for (const Value& item : items) {
    shared.depth = std::max(shared.depth, item.Depth() + 1);
  }
  if (shared.depth > kMaxValueDepth) return TooDeep();
  shared.items = std::make_shared<const List>(std::move(items));
  Value value;
  value.data_ = std::move(shared);
  return value;
}

absl::StatusOr<Value> Value::FromDict(Dict items) {
  SharedDict shared;
  for (const auto& [key, item] : items) {
    shared.depth = std::max(shared.depth, item.Depth() + 1);
  }
  if (shared.depth > kMaxValueDepth) return TooDeep();
  shared.items = std::make_shared<const Dict>(std::move(items));
  Value value;
  value.data_ = std::move(shared);
  return value;
}

absl::StatusOr<Value> Value::FromJson(const base::Json& json) {
  if (json.is_null()) return Value(None{});
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_string()) return Value(json.get<std::string>());
  if (json.is_number_float()) return Value(json.get<double>());
  if (json.is_number_unsigned() &&
      json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the number ", json.get<uint64_t>(), " is beyond 64 bits"));
  }
  if (json.is_number()) return Value(json.get<int64_t>());
  if (json.is_array()) {
    List items;
    for (const base::Json& item : json) {
      MOE_ASSIGN_OR_RETURN(Value value, FromJson(item));
      items.push_back(std::move(value));
    }
    return FromList(std::move(items));
  }
  Dict items;
  for (const auto& [key, item] : json.items()) {
    MOE_ASSIGN_OR_RETURN(Value value, FromJson(item));
    items.emplace_back(key, std::move(value));
  }
  return FromDict(std::move(items));
}

int64_t Value::int_value() const {
  return IsBool() ? int64_t{bool_value()} : std::get<int64_t>(data_);
}

double Value::number() const {
  return IsFloat() ? std::get<double>(data_) : static_cast<double>(int_value());
}

const Value* Value::Find(absl::string_view key) const {
  const Dict& items = IsNamespace() ? space() : dict();
  for (const auto& item : items) {
    if (item.first == key) return &item.second;
  }
  return nullptr;
}

bool Value::IsTrue() const {
  if (IsUndefined() || IsNone()) return false;
  if (IsNumber()) return number() != 0;
  if (IsString()) return !string().empty();
  if (IsList()) return !list().empty();
  if (IsDict()) return !dict().empty();
  return true;
}

absl::string_view Value::TypeName() const {
  if (IsUndefined()) return "an undefined value";
  if (IsNone()) return "none";
  if (IsBool()) return "true or false";
  if (IsNumber()) return "a number";
  if (IsString()) return "a text";
  if (IsList()) return "a list";
  if (IsDict()) return "a mapping";
  return IsNamespace() ? "a namespace" : "a function";
}

std::string Value::ToString() const {
  if (IsUndefined()) return "";
  return IsString() ? string() : Repr();
}

std::string Value::Repr() const {
  if (IsUndefined()) return "Undefined";
  if (IsNone()) return "None";
  if (IsBool()) return bool_value() ? "True" : "False";
  if (IsFloat()) return ReprOfDouble(number());
  if (IsInt()) return absl::StrCat(int_value());
  if (IsString()) return PythonQuoted(string());
  if (IsFunction()) return absl::StrCat("<function ", function().name, ">");
  if (IsNamespace()) return "<Namespace>";
  std::string out = IsList() ? "[" : "{";
  if (IsList()) {
    for (const Value& item : list()) {
      absl::StrAppend(&out, out.size() > 1 ? ", " : "", item.Repr());
    }
    return out + "]";
  }
  for (const auto& [key, item] : dict()) {
    absl::StrAppend(&out, out.size() > 1 ? ", " : "", PythonQuoted(key), ": ",
                    item.Repr());
  }
  return out + "}";
}

bool operator==(const Value& a, const Value& b) {
  if (a.IsInt() && b.IsInt()) return a.int_value() == b.int_value();
  if (a.IsNumber() && b.IsNumber()) return a.number() == b.number();
  if (a.data_.index() != b.data_.index()) return false;
  if (a.IsString()) return a.string() == b.string();
  if (a.IsList()) return a.list() == b.list();
  if (a.IsDict()) return EqualDicts(a, b);
  if (a.IsNamespace()) return &a.space() == &b.space();
  if (a.IsFunction()) {
    return a.function().name == b.function().name &&
           a.function().macro == b.function().macro;
  }
  return true;  // Both undefined, or both none.
}

absl::StatusOr<int> Compare(const Value& a, const Value& b) {
  const auto sign = [](const auto& x, const auto& y) {
    return x < y ? -1 : y < x ? 1 : 0;
  };
  if (a.IsInt() && b.IsInt()) return sign(a.int_value(), b.int_value());
  if (a.IsNumber() && b.IsNumber()) return sign(a.number(), b.number());
  if (a.IsString() && b.IsString()) return sign(a.string(), b.string());
  if (a.IsList() && b.IsList()) {
    const size_t size = std::min(a.list().size(), b.list().size());
    for (size_t i = 0; i < size; ++i) {
      if (a.list()[i] == b.list()[i]) continue;
      return Compare(a.list()[i], b.list()[i]);
    }
    return sign(a.list().size(), b.list().size());
  }
  return absl::InvalidArgumentError(
      absl::StrCat("cannot compare ", a.TypeName(), " with ", b.TypeName()));
}

absl::StatusOr<std::string> ToJson(const Value& value, const JsonStyle& style) {
  return WriteJson(value, style, 0);
}

}  // namespace moe::text::jinja
