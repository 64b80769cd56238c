#include "moe/gates/clustering_options.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/gates/clustering_options.pb.h"

namespace moe {
namespace {

absl::Status CheckCount(int64_t value, int64_t most, absl::string_view field) {
  return CheckField(value >= 1 && value <= most, field, value,
                    absl::StrCat("1 to ", most));
}

}  // namespace

absl::Status ValidateClusteringOptions(const ClusteringOptions& options) {
  MOE_RETURN_IF_ERROR(CheckNumExperts(options.num_experts()));
  // Written so that NaN is refused.
  const double jitter = options.balance_jitter_factor();
  MOE_RETURN_IF_ERROR(CheckField(jitter >= 0.0 && jitter <= 1.0,
                                 "balance_jitter_factor", jitter, "0 to 1"));
  MOE_RETURN_IF_ERROR(
      CheckCount(MaxIterations(options), kMaxIterations, "max_iter"));
  MOE_RETURN_IF_ERROR(CheckCount(NumRestarts(options), kMaxRestarts, "n_init"));
  return CheckSeed(options.seed());
}

int64_t MaxIterations(const ClusteringOptions& options) {
  return options.has_max_iter() ? options.max_iter() : kDefaultMaxIterations;
}

int64_t NumRestarts(const ClusteringOptions& options) {
  return options.has_n_init() ? options.n_init() : kDefaultNumRestarts;
}

}  // namespace moe
