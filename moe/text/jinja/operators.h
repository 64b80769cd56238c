// Python's operators over values.

#ifndef MOE_TEXT_JINJA_OPERATORS_H_
#define MOE_TEXT_JINJA_OPERATORS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/value.h"

namespace moe::text::jinja {

// left name right, for + - * / // % ** and ~. InvalidArgument if the operator
// does not take the two kinds, for division by 0, and for whole numbers beyond
// 64 bits.
absl::StatusOr<Value> BinaryOperator(absl::string_view name, const Value& left,
                                     const Value& right, Budget& budget);

// left name right, for == != < <= > >= in and "not in".
absl::StatusOr<bool> ComparisonOperator(absl::string_view name,
                                        const Value& left, const Value& right);

// value[start:stop:step]; an undefined bound is left out.
absl::StatusOr<Value> Slice(const Value& value, const Value& start,
                            const Value& stop, const Value& step,
                            Budget& budget);

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_OPERATORS_H_
