#include "moe/experiment/evaluation_metrics.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/options/options.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"

namespace moe {
namespace {

// The load of every expert of every layer has room.
constexpr uint64_t kMaxReportBytes = uint64_t{256} << 20;

Metric Named(absl::string_view name) {
  Metric metric;
  metric.set_name(std::string(name));
  return metric;
}

// JSON has no infinity and no NaN, so that `value` stands as null for them.
absl::StatusOr<double> NumberOr(const Json& report, absl::string_view name,
                                double value) {
  const auto field = report.find(std::string(name));
  if (field != report.end() && field->is_null()) return value;
  return Get<double>(report, name);
}

// The loss of a broken model is no number; the perplexity of a very bad one is
// beyond float32.
absl::StatusOr<std::vector<Metric>> MetricsOf(const Json& report) {
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
  metrics.push_back(Named("num_predicted_tokens"));
  MOE_ASSIGN_OR_RETURN(const int64_t count,
                       Get<int64_t>(report, "num_predicted_tokens"));
  metrics.back().set_count(count);
  metrics.push_back(Named("losses_digest"));
  MOE_ASSIGN_OR_RETURN(*metrics.back().mutable_digest(),
                       Get<std::string>(report, "losses_digest"));
  return metrics;
}

}  // namespace

absl::StatusOr<std::vector<Metric>> ReadEvaluationMetrics(
    absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxReportBytes));
  const absl::StatusOr<Json> report = ParseJsonObject(text);
  if (!report.ok()) return Annotate(report.status(), path);
  absl::StatusOr<std::vector<Metric>> metrics = MetricsOf(*report);
  return metrics.ok() ? metrics : Annotate(metrics.status(), path);
}

std::string FormatMetric(const Metric& metric) {
  switch (metric.value_case()) {
    case Metric::kNumber:
      return FormatShortest(metric.number());
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

}  // namespace moe
