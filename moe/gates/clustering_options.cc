#include "moe/gates/clustering_options.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/gates/balanced_assignment.h"
#include "moe/gates/clustering_options.pb.h"

namespace moe {
namespace {

template <typename T>
absl::Status CheckField(bool is_allowed, absl::string_view field, T value,
                        absl::string_view allowed) {
  if (is_allowed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; allowed: ", allowed));
}

}  // namespace

absl::Status ValidateClusteringOptions(const ClusteringOptions& options) {
  const int64_t num_experts = options.num_experts();
  MOE_RETURN_IF_ERROR(
      CheckField(num_experts >= 1 && num_experts <= kMaxClusters, "num_experts",
                 num_experts, absl::StrCat("1 to ", kMaxClusters)));
  // Written so that NaN is refused.
  const double jitter = options.balance_jitter_factor();
  MOE_RETURN_IF_ERROR(CheckField(jitter >= 0.0 && jitter <= 1.0,
                                 "balance_jitter_factor", jitter, "0 to 1"));
  MOE_RETURN_IF_ERROR(CheckField(MaxIterations(options) >= 1, "max_iter",
                                 MaxIterations(options), "1 or more"));
  MOE_RETURN_IF_ERROR(CheckField(NumRestarts(options) >= 1, "n_init",
                                 NumRestarts(options), "1 or more"));
  return CheckField(options.seed() >= 0, "seed", options.seed(), "0 or more");
}

int64_t MaxIterations(const ClusteringOptions& options) {
  return options.has_max_iter() ? options.max_iter() : kDefaultMaxIterations;
}

int64_t NumRestarts(const ClusteringOptions& options) {
  return options.has_n_init() ? options.n_init() : kDefaultNumRestarts;
}

}  // namespace moe
