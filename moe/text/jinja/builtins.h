// The filters, tests, methods and functions of the language, and what each may
// cost.
//
// A template is a stranger's: all that it does is paid from a budget of steps
// and of bytes, so that it ends soon whatever it says.

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

namespace moe::jinja {

class Budget {
 public:
  Budget(int64_t steps, int64_t bytes) : steps_(steps), bytes_(bytes) {}

  // ResourceExhausted when there are none left.
  absl::Status Spend(int64_t steps);
  // Texts and lists that are made take a step for each 64, too.
  absl::Status Allocate(size_t bytes);
  int64_t bytes() const { return bytes_; }

 private:
  int64_t steps_;
  int64_t bytes_;
};

// A call's arguments: by place, and by name.
struct Arguments {
  std::vector<Value> values;
  std::vector<std::pair<std::string, Value>> named;
};

// The arguments in the order of a function's parameters; undefined where one is
// not given. InvalidArgument if there are too many, or one of another name.
absl::StatusOr<std::vector<Value>> Bind(
    absl::string_view function, const Arguments& arguments,
    const std::vector<absl::string_view>& parameters);

// input | name(arguments). Unimplemented for a name that is not known.
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
// function(arguments), where it is no macro.
absl::StatusOr<Value> CallFunction(const Value& function,
                                   const Arguments& arguments, Budget& budget);

// items[key] = value. Unimplemented for a namespace.
absl::Status SetKey(Value::Dict& items, const std::string& key, Value value);

// What a loop over the value gives: items, keys, characters.
absl::StatusOr<Value::List> Iterate(const Value& value, Budget& budget);
// a.name and a[name]: undefined where there is nothing of the name.
// InvalidArgument where `a` itself is undefined.
absl::StatusOr<Value> GetAttribute(const Value& value, const std::string& name);
absl::StatusOr<Value> GetItem(const Value& value, const Value& index);
// item in container.
absl::StatusOr<bool> Contains(const Value& container, const Value& item);

// FromList and a text, paid for.
absl::StatusOr<Value> MakeList(Value::List items, Budget& budget);
absl::StatusOr<Value> MakeString(std::string text, Budget& budget);

}  // namespace moe::jinja

#endif  // MOE_TEXT_JINJA_BUILTINS_H_
