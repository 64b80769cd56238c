// Whether an experiment is good enough: bounds on its metrics.

#ifndef MOE_EXPERIMENT_ACCEPTANCE_H_
#define MOE_EXPERIMENT_ACCEPTANCE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe {

// OK, or InvalidArgument with the criterion and what is allowed: metrics are
// "STEP.METRIC" of an evaluation of the spec, with a number; bounds are finite;
// factors are finite and above 0.
absl::Status ValidateCriteria(const ExperimentSpec& spec);

struct CriterionResult {
  // "converted.perplexity is 9.5; at most 12 = 6 * dense.perplexity (2)"
  std::string text;
  bool met = false;
  double value = 0;
  // What the value may at most, or must at least, be.
  double bound = 0;
};

// In the order of the spec, which is valid. NotFound if the lock has not the
// metric.
absl::StatusOr<std::vector<CriterionResult>> CheckCriteria(
    const ExperimentSpec& spec, const ExperimentLock& found);

}  // namespace moe

#endif  // MOE_EXPERIMENT_ACCEPTANCE_H_
