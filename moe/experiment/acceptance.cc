#include "moe/experiment/acceptance.h"

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "moe/base/option_checks.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe {
namespace {

constexpr std::array<absl::string_view, 3> kNumbers = {"loss", "perplexity",
                                                       "num_predicted_tokens"};

absl::Status CheckReference(const ExperimentSpec& spec,
                            const std::string& metric,
                            absl::string_view field) {
  for (const ExperimentStep& step : spec.steps()) {
    if (!step.has_evaluate()) continue;
    for (const absl::string_view number : kNumbers) {
      if (metric == absl::StrCat(step.name(), ".", number)) {
        return absl::OkStatus();
      }
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      field, " is \"", metric,
      "\"; wanted is STEP.loss, STEP.perplexity or STEP.num_predicted_tokens "
      "of an evaluation"));
}

absl::Status CheckBound(const ExperimentSpec& spec,
                        const AcceptanceCriterion& criterion) {
  MOE_RETURN_IF_ERROR(CheckReference(spec, criterion.metric(), "metric"));
  switch (criterion.bound_case()) {
    case AcceptanceCriterion::kAtMost:
      return CheckField(std::isfinite(criterion.at_most()), "at_most",
                        criterion.at_most(), "finite numbers");
    case AcceptanceCriterion::kAtLeast:
      return CheckField(std::isfinite(criterion.at_least()), "at_least",
                        criterion.at_least(), "finite numbers");
    case AcceptanceCriterion::kAtMostMetric:
      break;
    case AcceptanceCriterion::BOUND_NOT_SET:
      return absl::InvalidArgumentError(
          "there is no bound; wanted is at_most, at_least or at_most_metric");
  }
  const ScaledMetric& other = criterion.at_most_metric();
  MOE_RETURN_IF_ERROR(
      CheckReference(spec, other.metric(), "at_most_metric.metric"));
  if (!other.has_times()) return absl::OkStatus();
  return CheckField(std::isfinite(other.times()) && other.times() > 0.0,
                    "at_most_metric.times", other.times(),
                    "finite numbers above 0");
}

absl::StatusOr<double> NumberOf(const ExperimentLock& found,
                                const std::string& reference) {
  const std::vector<std::string> parts = absl::StrSplit(reference, '.');
  for (const StepLock& step : found.steps()) {
    if (step.name() != parts[0]) continue;
    for (const Metric& metric : step.metrics()) {
      if (metric.name() != parts[1]) continue;
      return metric.has_count() ? static_cast<double>(metric.count())
                                : metric.number();
    }
  }
  return absl::NotFoundError(
      absl::StrCat("the results have no metric ", reference));
}

absl::StatusOr<CriterionResult> Check(const AcceptanceCriterion& criterion,
                                      const ExperimentLock& found) {
  MOE_ASSIGN_OR_RETURN(const double value, NumberOf(found, criterion.metric()));
  const std::string text = absl::StrCat(criterion.metric(), " is ",
                                        FormatShortest(value), "; wanted is ");
  if (criterion.has_at_least()) {
    return CriterionResult{
        absl::StrCat(text, "at least ", FormatShortest(criterion.at_least())),
        value >= criterion.at_least(), value, criterion.at_least()};
  }
  if (criterion.has_at_most()) {
    return CriterionResult{
        absl::StrCat(text, "at most ", FormatShortest(criterion.at_most())),
        value <= criterion.at_most(), value, criterion.at_most()};
  }
  const ScaledMetric& other = criterion.at_most_metric();
  MOE_ASSIGN_OR_RETURN(const double reference, NumberOf(found, other.metric()));
  const double times = other.has_times() ? other.times() : 1.0;
  return CriterionResult{
      absl::StrCat(text, "at most ", FormatShortest(times * reference), " = ",
                   FormatShortest(times), " * ", other.metric()),
      value <= times * reference, value, times * reference};
}

}  // namespace

absl::Status ValidateCriteria(const ExperimentSpec& spec) {
  for (int i = 0; i < spec.criteria_size(); ++i) {
    MOE_RETURN_IF_ERROR(Annotate(CheckBound(spec, spec.criteria(i)),
                                 absl::StrCat("criteria[", i, "]")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CriterionResult>> CheckCriteria(
    const ExperimentSpec& spec, const ExperimentLock& found) {
  std::vector<CriterionResult> results;
  for (const AcceptanceCriterion& criterion : spec.criteria()) {
    MOE_ASSIGN_OR_RETURN(const CriterionResult result, Check(criterion, found));
    results.push_back(result);
  }
  return results;
}

}  // namespace moe
