#include "moe/experiment/metrics.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/option_checks.h"
#include "moe/base/options/options.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe::experiment {
namespace {

// What an evaluation with a reference gives besides.
constexpr std::array<absl::string_view, 2> kDivergenceNumbers = {
    "kl_divergence", "first_choice_agreement"};

// The load of every expert of every layer has room.
constexpr uint64_t kMaxReportBytes = uint64_t{256} << 20;

Metric Named(absl::string_view name) {
  Metric metric;
  metric.set_name(std::string(name));
  return metric;
}

// JSON has no infinity and no NaN, so that `value` stands as null for them.
absl::StatusOr<double> NumberOr(const base::Json& report,
                                absl::string_view name, double value) {
  const auto field = report.find(std::string(name));
  if (field != report.end() && field->is_null()) return value;
  return base::Get<double>(report, name);
}

// The loss of a broken model is no number; the perplexity of a very bad one is
// beyond float32.
absl::StatusOr<std::vector<Metric>> MetricsOf(const base::Json& report) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<Metric> metrics;
  MOE_ASSIGN_OR_RETURN(const double loss, NumberOr(report, "loss", kNaN));
  metrics.push_back(Named("loss"));
  metrics.back().set_number(loss);
  MOE_ASSIGN_OR_RETURN(
      const double perplexity,
      NumberOr(report, "perplexity", std::isnan(loss) ? kNaN : kInfinity));
  metrics.push_back(Named("perplexity"));
  metrics.back().set_number(perplexity);
  for (const absl::string_view name : kDivergenceNumbers) {
    if (!report.contains(std::string(name))) continue;
    metrics.push_back(Named(name));
    MOE_ASSIGN_OR_RETURN(const double number, base::Get<double>(report, name));
    metrics.back().set_number(number);
  }
  metrics.push_back(Named("num_predicted_tokens"));
  MOE_ASSIGN_OR_RETURN(const int64_t count,
                       base::Get<int64_t>(report, "num_predicted_tokens"));
  metrics.back().set_count(count);
  metrics.push_back(Named("losses_digest"));
  MOE_ASSIGN_OR_RETURN(*metrics.back().mutable_digest(),
                       base::Get<std::string>(report, "losses_digest"));
  return metrics;
}

}  // namespace

absl::StatusOr<std::vector<Metric>> ReadEvaluationMetrics(
    absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       base::ReadFile(path, kMaxReportBytes));
  const absl::StatusOr<base::Json> report = base::ParseJsonObject(text);
  if (!report.ok()) return base::Annotate(report.status(), path);
  absl::StatusOr<std::vector<Metric>> metrics = MetricsOf(*report);
  return metrics.ok() ? metrics : base::Annotate(metrics.status(), path);
}

std::string FormatMetric(const Metric& metric) {
  switch (metric.value_case()) {
    case Metric::kNumber:
      return base::FormatShortest(metric.number());
    case Metric::kCount:
      return absl::StrCat(metric.count());
    case Metric::kDigest:
      return metric.digest();
    case Metric::VALUE_NOT_SET:
      break;
  }
  return "nothing";
}

bool SameMetric(const Metric& a, const Metric& b) {
  const double x = a.number();
  const double y = b.number();
  return a.name() == b.name() && a.value_case() == b.value_case() &&
         std::memcmp(&x, &y, sizeof(x)) == 0 && a.count() == b.count() &&
         a.digest() == b.digest();
}

namespace {

constexpr std::array<absl::string_view, 3> kNumbers = {"loss", "perplexity",
                                                       "num_predicted_tokens"};

absl::Status CheckReference(const ExperimentSpec& spec,
                            const std::string& metric,
                            absl::string_view field) {
  for (const ExperimentStep& step : spec.steps()) {
    if (!step.has_evaluate()) continue;
    std::vector<absl::string_view> numbers(kNumbers.begin(), kNumbers.end());
    if (!step.evaluate().reference().empty()) {
      numbers.insert(numbers.end(), kDivergenceNumbers.begin(),
                     kDivergenceNumbers.end());
    }
    for (const absl::string_view number : numbers) {
      if (metric == absl::StrCat(step.name(), ".", number)) {
        return absl::OkStatus();
      }
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      field,
      ": expected STEP.loss, STEP.perplexity or STEP.num_predicted_tokens of "
      "an evaluation (with a reference also STEP.kl_divergence and "
      "STEP.first_choice_agreement), found \"",
      metric, "\""));
}

absl::Status CheckBound(const ExperimentSpec& spec,
                        const AcceptanceCriterion& criterion) {
  MOE_RETURN_IF_ERROR(CheckReference(spec, criterion.metric(), "metric"));
  switch (criterion.bound_case()) {
    case AcceptanceCriterion::kAtMost:
      return base::CheckField(std::isfinite(criterion.at_most()), "at_most",
                              criterion.at_most(), "finite numbers");
    case AcceptanceCriterion::kAtLeast:
      return base::CheckField(std::isfinite(criterion.at_least()), "at_least",
                              criterion.at_least(), "finite numbers");
    case AcceptanceCriterion::kAtMostMetric:
      break;
    case AcceptanceCriterion::BOUND_NOT_SET:
      return absl::InvalidArgumentError(
          "expected a bound: at_most, at_least or at_most_metric, found none");
  }
  const ScaledMetric& other = criterion.at_most_metric();
  MOE_RETURN_IF_ERROR(
      CheckReference(spec, other.metric(), "at_most_metric.metric"));
  if (!other.has_times()) return absl::OkStatus();
  return base::CheckField(std::isfinite(other.times()) && other.times() > 0.0,
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
  const std::string text = absl::StrCat(
      criterion.metric(), " is ", base::FormatShortest(value), "; expected ");
  if (criterion.has_at_least()) {
    return CriterionResult{
        absl::StrCat(text, "at least ",
                     base::FormatShortest(criterion.at_least())),
        value >= criterion.at_least(), value, criterion.at_least()};
  }
  if (criterion.has_at_most()) {
    return CriterionResult{
        absl::StrCat(text, "at most ",
                     base::FormatShortest(criterion.at_most())),
        value <= criterion.at_most(), value, criterion.at_most()};
  }
  const ScaledMetric& other = criterion.at_most_metric();
  MOE_ASSIGN_OR_RETURN(const double reference, NumberOf(found, other.metric()));
  const double times = other.has_times() ? other.times() : 1.0;
  return CriterionResult{
      absl::StrCat(text, "at most ", base::FormatShortest(times * reference),
                   " = ", base::FormatShortest(times), " * ", other.metric()),
      value <= times * reference, value, times * reference};
}

}  // namespace

absl::Status ValidateCriteria(const ExperimentSpec& spec) {
  for (int i = 0; i < spec.criteria_size(); ++i) {
    MOE_RETURN_IF_ERROR(base::Annotate(CheckBound(spec, spec.criteria(i)),
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

}  // namespace moe::experiment
