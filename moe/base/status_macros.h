// Propagation of absl::Status.
//
//   MOE_RETURN_IF_ERROR(writer.Append(bytes));
//   MOE_ASSIGN_OR_RETURN(const LlamaConfig config, ReadLlamaConfig(path));
//
// The first failure wins and travels up unchanged. A layer that knows something
// the failing one could not know (which file, which layer of the model) says it
// once, with Annotate; two layers never say the same thing.

#ifndef MOE_BASE_STATUS_MACROS_H_
#define MOE_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe::base {

// Returns `status` with "`where`: " before its message and the same code; an OK
// status as it is.
inline absl::Status Annotate(const absl::Status& status,
                             absl::string_view where) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(where, ": ", status.message()));
}

}  // namespace moe::base

#define MOE_RETURN_IF_ERROR(expression)        \
  do {                                         \
    absl::Status moe_status_ = (expression);   \
    if (!moe_status_.ok()) return moe_status_; \
  } while (false)

#define MOE_ASSIGN_OR_RETURN(lhs, expression)                              \
  MOE_ASSIGN_OR_RETURN_IMPL_(MOE_STATUS_CONCAT_(moe_status_or_, __LINE__), \
                             lhs, expression)

#define MOE_ASSIGN_OR_RETURN_IMPL_(result, lhs, expression) \
  auto result = (expression);                               \
  if (!result.ok()) return std::move(result).status();      \
  lhs = std::move(result).value()

#define MOE_STATUS_CONCAT_(a, b) MOE_STATUS_CONCAT_IMPL_(a, b)
#define MOE_STATUS_CONCAT_IMPL_(a, b) a##b

#endif  // MOE_BASE_STATUS_MACROS_H_
