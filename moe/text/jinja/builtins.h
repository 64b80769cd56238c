// The filters, tests, methods and functions of the language, and the budget
// that bounds their cost.
//
// A stranger wrote the template. Everything that it does is paid from a budget
// of steps and bytes, so rendering ends soon whatever the template says.

#ifndef MOE_TEXT_JINJA_BUILTINS_H_
#define MOE_TEXT_JINJA_BUILTINS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/jinja/value.h"

namespace moe::text::jinja {

class Budget {
 public:
  Budget(int64_t steps, int64_t bytes) : steps_(steps), bytes_(bytes) {}

  // ResourceExhausted if there are none left.
  absl::Status Spend(int64_t steps);
  // Pays for a new text or list: its bytes, and a step for each 64 of them.
  absl::Status Allocate(size_t bytes);
  int64_t bytes() const { return bytes_; }

 private:
  int64_t steps_;
  int64_t bytes_;
};

// A call's arguments: by position, and by name.
struct Arguments {
  std::vector<Value> values;
  std::vector<std::pair<std::string, Value>> named;
};

// The arguments in the order of a function's parameters; undefined for one that
// the call does not give. InvalidArgument if there are too many, or one has an
// unknown name.
absl::StatusOr<std::vector<Value>> Bind(
    absl::string_view function, const Arguments& arguments,
    const std::vector<absl::string_view>& parameters);

// A filter or a method that binds its arguments.
struct Builtin {
  absl::string_view name;
  std::vector<absl::string_view> parameters;
  absl::StatusOr<Value> (*call)(const Value& self,
                                const std::vector<Value>& arguments,
                                Budget& budget);
};
// The one of that name, or null.
const Builtin* FindBuiltin(const std::vector<Builtin>& builtins,
                           absl::string_view name);

// input | name(arguments). Unimplemented for an unknown name.
absl::StatusOr<Value> ApplyFilter(const std::string& name, const Value& input,
                                  const Arguments& arguments, Budget& budget);
// input is name(arguments).
absl::StatusOr<bool> ApplyTest(const std::string& name, const Value& input,
                               const Arguments& arguments, Budget& budget);
// self.name(arguments), of texts, lists and mappings.
absl::StatusOr<Value> CallMethod(const std::string& name, const Value& self,
                                 const Arguments& arguments, Budget& budget);
bool HasMethod(const Value& self, absl::string_view name);

// The functions: range, dict, namespace and raise_exception.
bool IsFunctionName(absl::string_view name);
// function(arguments), if it is not a macro.
absl::StatusOr<Value> CallFunction(const Value& function,
                                   const Arguments& arguments, Budget& budget);

// items[key] = value.
void Assign(Value::Dict& items, const std::string& key, Value value);
// The same; Unimplemented if the value is a namespace.
absl::Status SetKey(Value::Dict& items, const std::string& key, Value value);

// What a loop over the value visits: items, keys or characters.
absl::StatusOr<Value::List> Iterate(const Value& value, Budget& budget);
// a.name and a[name]: undefined if `a` has nothing of that name.
// InvalidArgument if `a` itself is undefined.
absl::StatusOr<Value> GetAttribute(const Value& value, const std::string& name);
absl::StatusOr<Value> GetItem(const Value& value, const Value& index);
// item in container.
absl::StatusOr<bool> Contains(const Value& container, const Value& item);

// A list and a text, paid from the budget.
absl::StatusOr<Value> MakeList(Value::List items, Budget& budget);
absl::StatusOr<Value> MakeString(std::string text, Budget& budget);

// The error for the use of an undefined value.
absl::Status IsUndefinedError(const Value& value);

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_BUILTINS_H_
