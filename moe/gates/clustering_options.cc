#include "moe/gates/clustering_options.h"

#include <cstdint>

#include "absl/status/status.h"
#include "moe/base/status_macros.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/option_checks.h"

namespace moe {
absl::Status ValidateClusteringOptions(const ClusteringOptions& options) {
  MOE_RETURN_IF_ERROR(CheckNumExperts(options.num_experts()));
  // Written so that NaN is refused.
  const double jitter = options.balance_jitter_factor();
  MOE_RETURN_IF_ERROR(CheckField(jitter >= 0.0 && jitter <= 1.0,
                                 "balance_jitter_factor", jitter, "0 to 1"));
  MOE_RETURN_IF_ERROR(CheckField(MaxIterations(options) >= 1, "max_iter",
                                 MaxIterations(options), "1 or more"));
  MOE_RETURN_IF_ERROR(CheckField(NumRestarts(options) >= 1, "n_init",
                                 NumRestarts(options), "1 or more"));
  return CheckSeed(options.seed());
}

int64_t MaxIterations(const ClusteringOptions& options) {
  return options.has_max_iter() ? options.max_iter() : kDefaultMaxIterations;
}

int64_t NumRestarts(const ClusteringOptions& options) {
  return options.has_n_init() ? options.n_init() : kDefaultNumRestarts;
}

}  // namespace moe
