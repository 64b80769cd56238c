#include "moe/text/jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/jinja/value.h"

namespace moe::text::jinja {
namespace {

absl::Status CannotApply(absl::string_view name, const Value& left,
                         const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (value->IsUndefined()) return IsUndefinedError(*value);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the operator ", name, " does not take ", left.TypeName(),
                   " and ", right.TypeName()));
}

absl::StatusOr<Value> Checked(bool overflows, int64_t value) {
  if (!overflows) return Value(value);
  return absl::InvalidArgumentError("a whole number is beyond 64 bits");
}

absl::StatusOr<Value> Divide(absl::string_view name, int64_t a, int64_t b) {
  if (b == 0) return absl::InvalidArgumentError("division by zero");
  if (name == "/") {
    return Value(static_cast<double>(a) / static_cast<double>(b));
  }
  if (b == -1) {
    const bool overflows = a == std::numeric_limits<int64_t>::min();
    return name == "%" ? Value(int64_t{0})
                       : Checked(overflows, overflows ? 0 : -a);
  }
  // Python rounds down.
  const bool is_below = a % b != 0 && ((a % b < 0) != (b < 0));
  return name == "%" ? Value(a % b + (is_below ? b : 0))
                     : Value(a / b - (is_below ? 1 : 0));
}

// Libraries round real powers in different ways, so texts would differ.
absl::Status RealPower() {
  return absl::UnimplementedError(
      "a power that is no whole number is not implemented");
}

absl::StatusOr<Value> Power(int64_t base, int64_t exponent) {
  if (exponent < 0) return RealPower();
  if (base == 0 || base == 1) return Value(exponent == 0 ? int64_t{1} : base);
  if (base == -1) return Value(int64_t{exponent % 2 == 0 ? 1 : -1});
  int64_t out = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(out, base, &out)) return Checked(true, 0);
  }
  return Value(out);
}

absl::StatusOr<Value> WholeOperator(absl::string_view name, int64_t a,
                                    int64_t b) {
  int64_t out = 0;
  bool overflows = false;
  if (name == "/" || name == "//" || name == "%") return Divide(name, a, b);
  if (name == "**") return Power(a, b);
  if (name == "+") overflows = __builtin_add_overflow(a, b, &out);
  if (name == "-") overflows = __builtin_sub_overflow(a, b, &out);
  if (name == "*") overflows = __builtin_mul_overflow(a, b, &out);
  return Checked(overflows, out);
}

absl::StatusOr<Value> RealOperator(absl::string_view name, double a, double b) {
  if (name == "+") return Value(a + b);
  if (name == "-") return Value(a - b);
  if (name == "*") return Value(a * b);
  if (name == "**") return RealPower();
  if (b == 0) return absl::InvalidArgumentError("division by zero");
  if (name == "/") return Value(a / b);
  if (name == "//") return Value(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

// Supports %s, %d and %%.
absl::StatusOr<Value> Format(const Value& format, const Value& arguments,
                             Budget& budget) {
  const Value::List values =
      arguments.IsList() ? arguments.list() : Value::List{arguments};
  std::string out;
  size_t used = 0;
  const std::string& text = format.string();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const char kind = ++i < text.size() ? text[i] : ' ';
    if (kind == '%') {
      out.push_back('%');
    } else if ((kind == 's' || kind == 'd') && used < values.size()) {
      const Value& value = values[used++];
      if (kind == 'd' && !value.IsInt()) return CannotApply("%d", value, value);
      const std::string shown =
          kind == 'd' ? absl::StrCat(value.int_value()) : value.ToString();
      MOE_RETURN_IF_ERROR(budget.Allocate(shown.size()));
      out += shown;
    } else {
      return absl::UnimplementedError(
          "the operator % over a text takes %s, %d and %%, and as many values");
    }
  }
  if (used != values.size()) {
    return absl::InvalidArgumentError(
        "the operator % over a text has more values than places");
  }
  return MakeString(std::move(out), budget);
}

absl::StatusOr<Value> Repeat(const Value& value, int64_t times,
                             Budget& budget) {
  times = std::max<int64_t>(times, 0);
  const size_t size = value.IsString() ? value.string().size()
                                       : value.list().size() * sizeof(Value);
  const int64_t most =
      budget.bytes() / static_cast<int64_t>(std::max<size_t>(size, 1));
  if (size > 0 && times > most) {
    return absl::ResourceExhaustedError(
        "the operator * makes more text than the limit allows");
  }
  if (size == 0) times = 0;
  std::string text;
  Value::List items;
  for (int64_t i = 0; i < times; ++i) {
    if (value.IsString()) {
      text += value.string();
    } else {
      items.insert(items.end(), value.list().begin(), value.list().end());
    }
  }
  if (value.IsString()) return MakeString(std::move(text), budget);
  return MakeList(std::move(items), budget);
}

absl::StatusOr<Value> Add(const Value& left, const Value& right,
                          Budget& budget) {
  if (left.IsString()) {
    MOE_RETURN_IF_ERROR(
        budget.Allocate(left.string().size() + right.string().size()));
    return Value(absl::StrCat(left.string(), right.string()));
  }
  Value::List items = left.list();
  items.insert(items.end(), right.list().begin(), right.list().end());
  return MakeList(std::move(items), budget);
}

absl::StatusOr<std::optional<int64_t>> SliceBound(const Value& value) {
  if (value.IsUndefined() || value.IsNone()) return std::nullopt;
  if (value.IsInt()) return value.int_value();
  return absl::InvalidArgumentError(absl::StrCat(
      "a slice's bound: expected a whole number, found ", value.TypeName()));
}

// As Python's slice.indices().
int64_t Clamped(std::optional<int64_t> bound, int64_t otherwise, int64_t low,
                int64_t high, int64_t size) {
  if (!bound.has_value()) return otherwise;
  const int64_t from_start =
      *bound < 0 ? std::max(*bound, -size - 1) + size : *bound;
  return std::clamp(from_start, low, high);
}

}  // namespace

absl::StatusOr<Value> BinaryOperator(absl::string_view name, const Value& left,
                                     const Value& right, Budget& budget) {
  if (name == "~") {
    const std::string a = left.ToString();
    const std::string b = right.ToString();
    MOE_RETURN_IF_ERROR(budget.Allocate(a.size() + b.size()));
    return Value(absl::StrCat(a, b));
  }
  if (left.IsInt() && right.IsInt()) {
    return WholeOperator(name, left.int_value(), right.int_value());
  }
  if (left.IsNumber() && right.IsNumber()) {
    return RealOperator(name, left.number(), right.number());
  }
  const bool both_texts = left.IsString() && right.IsString();
  const bool both_lists = left.IsList() && right.IsList();
  if (name == "+" && (both_texts || both_lists)) {
    return Add(left, right, budget);
  }
  if (name == "%" && left.IsString() && !right.IsUndefined()) {
    return Format(left, right, budget);
  }
  for (const auto& [items, times] :
       {std::pair(&left, &right), std::pair(&right, &left)}) {
    if (name != "*" || !times->IsInt()) continue;
    if (!items->IsString() && !items->IsList()) continue;
    return Repeat(*items, times->int_value(), budget);
  }
  return CannotApply(name, left, right);
}

absl::StatusOr<bool> ComparisonOperator(absl::string_view name,
                                        const Value& left, const Value& right) {
  if (name == "==") return left == right;
  if (name == "!=") return !(left == right);
  if (name == "in") return Contains(right, left);
  if (name == "not in") {
    MOE_ASSIGN_OR_RETURN(const bool contains, Contains(right, left));
    return !contains;
  }
  if (left.IsUndefined() || right.IsUndefined()) {
    return CannotApply(name, left, right);
  }
  MOE_ASSIGN_OR_RETURN(const int compared, Compare(left, right));
  if (name == "<") return compared < 0;
  if (name == "<=") return compared <= 0;
  return name == ">" ? compared > 0 : compared >= 0;
}

absl::StatusOr<Value> Slice(const Value& value, const Value& start,
                            const Value& stop, const Value& step,
                            Budget& budget) {
  if (!value.IsString() && !value.IsList()) {
    return CannotApply("[:]", value, value);
  }
  MOE_ASSIGN_OR_RETURN(const Value::List items, Iterate(value, budget));
  MOE_ASSIGN_OR_RETURN(const std::optional<int64_t> from, SliceBound(start));
  MOE_ASSIGN_OR_RETURN(const std::optional<int64_t> to, SliceBound(stop));
  MOE_ASSIGN_OR_RETURN(const std::optional<int64_t> by, SliceBound(step));
  const int64_t size = static_cast<int64_t>(items.size());
  if (by == 0) return absl::InvalidArgumentError("a slice's step is 0");
  const int64_t stride = std::clamp(by.value_or(1), -size - 1, size + 1);
  const int64_t low = stride > 0 ? 0 : -1;
  const int64_t high = stride > 0 ? size : size - 1;
  const int64_t first = Clamped(from, stride > 0 ? low : high, low, high, size);
  const int64_t last = Clamped(to, stride > 0 ? high : low, low, high, size);
  Value::List taken;
  std::string text;
  for (int64_t i = first; stride > 0 ? i < last : i > last; i += stride) {
    const Value& item = items[static_cast<size_t>(i)];
    value.IsString() ? void(text += item.string()) : taken.push_back(item);
  }
  if (value.IsString()) return MakeString(std::move(text), budget);
  return MakeList(std::move(taken), budget);
}

}  // namespace moe::text::jinja
