// The values of a template's expressions: Python's values, as far as chat
// templates use them.
//
// Values are immutable and cheap to copy: they share texts, lists and mappings.
// Only a namespace changes, and it may not lie within another value, so there
// are no cycles. Not here: tuples (they are lists), sets, whole numbers beyond
// 64 bits, mappings with keys that are not texts.

#ifndef MOE_TEXT_JINJA_VALUE_H_
#define MOE_TEXT_JINJA_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"

namespace moe::text::jinja {

struct Statement;

// More than any record of a dataset nests, less than the stack allows.
inline constexpr int kMaxValueDepth = 80;

class Value {
 public:
  using List = std::vector<Value>;
  // In the order in which the keys came.
  using Dict = std::vector<std::pair<std::string, Value>>;
  // The value of a name that is not defined.
  struct Undefined {
    std::string name;
    friend bool operator==(const Undefined&, const Undefined&) { return true; }
  };
  struct None {
    friend bool operator==(const None&, const None&) { return true; }
  };
  // A function of the language, or a macro of the template.
  struct Function {
    std::string name;
    const Statement* macro = nullptr;
  };
  using Namespace = std::shared_ptr<Dict>;

  Value() : data_(Undefined{}) {}
  explicit Value(Undefined undefined) : data_(std::move(undefined)) {}
  explicit Value(None none) : data_(none) {}
  explicit Value(bool value) : data_(value) {}
  explicit Value(int64_t value) : data_(value) {}
  explicit Value(double value) : data_(value) {}
  explicit Value(std::string text)
      : data_(std::make_shared<const std::string>(std::move(text))) {}
  explicit Value(absl::string_view text) : Value(std::string(text)) {}
  explicit Value(const char* text) : Value(std::string(text)) {}
  explicit Value(Function function) : data_(std::move(function)) {}
  explicit Value(Namespace space) : data_(std::move(space)) {}

  // InvalidArgument if it nests deeper than kMaxValueDepth, or holds a
  // namespace.
  static absl::StatusOr<Value> FromList(List items);
  static absl::StatusOr<Value> FromDict(Dict items);
  static absl::StatusOr<Value> FromJson(const base::Json& json);

  bool IsUndefined() const { return Is<Undefined>(); }
  bool IsNone() const { return Is<None>(); }
  bool IsBool() const { return Is<bool>(); }
  bool IsString() const { return Is<SharedString>(); }
  bool IsList() const { return Is<SharedList>(); }
  bool IsDict() const { return Is<SharedDict>(); }
  bool IsNamespace() const { return Is<Namespace>(); }
  bool IsFunction() const { return Is<Function>(); }
  bool IsFloat() const { return Is<double>(); }
  // A whole number, or true or false, which are 1 and 0 in Python.
  bool IsInt() const { return Is<int64_t>() || IsBool(); }
  bool IsNumber() const { return IsInt() || IsFloat(); }

  // Each requires a value of the kind in its name.
  bool bool_value() const { return std::get<bool>(data_); }
  int64_t int_value() const;
  double number() const;
  const std::string& string() const { return *std::get<SharedString>(data_); }
  const List& list() const { return *std::get<SharedList>(data_).items; }
  const Dict& dict() const { return *std::get<SharedDict>(data_).items; }
  const Function& function() const { return std::get<Function>(data_); }
  const Undefined& undefined() const { return std::get<Undefined>(data_); }
  Dict& space() const { return *std::get<Namespace>(data_); }

  // The value of a mapping's key, or null.
  const Value* Find(absl::string_view key) const;

  bool IsTrue() const;
  // "a text", "a list": for messages.
  absl::string_view TypeName() const;
  // Python's str() and repr().
  std::string ToString() const;
  std::string Repr() const;

  // Python's ==.
  friend bool operator==(const Value& a, const Value& b);

 private:
  using SharedString = std::shared_ptr<const std::string>;
  struct SharedList {
    std::shared_ptr<const List> items;
    int depth = 1;
  };
  struct SharedDict {
    std::shared_ptr<const Dict> items;
    int depth = 1;
  };

  template <typename T>
  bool Is() const {
    return std::holds_alternative<T>(data_);
  }
  int Depth() const;

  std::variant<Undefined, None, bool, int64_t, double, SharedString, SharedList,
               SharedDict, Function, Namespace>
      data_;
};

// -1, 0 or 1 if `a` is less than, equal to or greater than `b` in Python's
// order. InvalidArgument if the two have no order.
absl::StatusOr<int> Compare(const Value& a, const Value& b);

// The style of Python's json.dumps; the defaults are those of transformers'
// filter tojson. `indent` below 0 means none.
struct JsonStyle {
  int64_t indent = -1;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ensure_ascii = false;
  bool sort_keys = false;
};
// InvalidArgument for a value that JSON cannot express.
absl::StatusOr<std::string> ToJson(const Value& value, const JsonStyle& style);

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_VALUE_H_
