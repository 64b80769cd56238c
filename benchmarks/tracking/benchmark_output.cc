#include "benchmarks/tracking/benchmark_output.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"

namespace moe {

absl::StatusOr<BenchmarkOutput> ParseBenchmarkOutput(absl::string_view json) {
  MOE_ASSIGN_OR_RETURN(const Json document, ParseJsonObject(json));
  const Json* const rows = FindField(document, "benchmarks");
  if (rows == nullptr || !rows->is_array()) {
    return absl::InvalidArgumentError(
        "there is no list \"benchmarks\"; wanted is what a benchmark writes "
        "with --benchmark_out_format=json");
  }
  BenchmarkOutput output;
  for (const Json& row : *rows) {
    MOE_ASSIGN_OR_RETURN(const std::string name, Get<std::string>(row, "name"));
    MOE_ASSIGN_OR_RETURN(const bool has_error,
                         GetOr(row, "error_occurred", false));
    if (has_error) {
      MOE_ASSIGN_OR_RETURN(const std::string message,
                           GetOr<std::string>(row, "error_message", ""));
      return absl::InvalidArgumentError(
          absl::StrCat("row \"", name, "\" ended with an error: ", message));
    }
    for (const auto& [counter, value] : row.items()) {
      if (value.is_number()) output[name][counter] = value.get<double>();
    }
  }
  return output;
}

}  // namespace moe
