#include "benchmarks/tracking/measure_metrics.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void AddMetric(const std::string& name, PerformanceRegistry& registry) {
  TrackedMetric& metric = *registry.add_metric();
  metric.set_name(name);
  metric.set_benchmark("benchmark");
  metric.set_row("BM/" + name);
  metric.set_counter("ratio");
  metric.set_direction(TrackedMetric::LOWER_IS_BETTER);
  metric.set_baseline(1);
  metric.set_threshold(0.5);
}

// Gives each row its figures, one for each time that it runs.
class FakeBenchmark {
 public:
  explicit FakeBenchmark(std::map<std::string, std::vector<double>> figures)
      : figures_(std::move(figures)) {}

  BenchmarkRunner Runner() {
    return [this](const std::string&, const std::vector<std::string>& rows) {
      runs.push_back(rows);
      BenchmarkOutput output;
      for (const std::string& row : rows) {
        output[row]["ratio"] = figures_[row].at(times_[row]++);
      }
      return output;
    };
  }

  std::vector<std::vector<std::string>> runs;

 private:
  std::map<std::string, std::vector<double>> figures_;
  std::map<std::string, size_t> times_;
};

TEST(MeasureMetricsTest, RunsABenchmarkOnceWhereAllIsWell) {
  PerformanceRegistry registry;
  AddMetric("a", registry);
  AddMetric("b", registry);
  AddMetric("a", registry);
  FakeBenchmark benchmark({{"BM/a", {1.2}}, {"BM/b", {0.1}}});
  MOE_ASSERT_OK_AND_ASSIGN(const auto checked,
                           MeasureMetrics(registry, benchmark.Runner()));
  EXPECT_THAT(benchmark.runs, ElementsAre(ElementsAre("BM/a", "BM/b")));
  EXPECT_EQ(checked[0].value, 1.2);
  EXPECT_EQ(checked[0].measurements, 1);
  EXPECT_EQ(checked[1].verdict, PerformanceVerdict::kBetter);
}

TEST(MeasureMetricsTest, MeasuresAgainWhatHasBecomeWorse) {
  PerformanceRegistry registry;
  AddMetric("noise", registry);
  AddMetric("good", registry);
  AddMetric("worse", registry);
  FakeBenchmark benchmark({{"BM/noise", {9, 1.25, 1.5}},
                           {"BM/good", {1}},
                           {"BM/worse", {1.6, 0.5, 2}}});
  MOE_ASSERT_OK_AND_ASSIGN(const auto checked,
                           MeasureMetrics(registry, benchmark.Runner()));
  const auto again = ElementsAre("BM/noise", "BM/worse");
  EXPECT_THAT(benchmark.runs,
              ElementsAre(ElementsAre("BM/noise", "BM/good", "BM/worse"), again,
                          again));
  EXPECT_EQ(checked[0].value, 1.5);
  EXPECT_EQ(checked[0].verdict, PerformanceVerdict::kAsBefore);
  EXPECT_EQ(checked[0].measurements, 3);
  EXPECT_EQ(checked[1].measurements, 1);
  EXPECT_EQ(checked[2].value, 1.6);
  EXPECT_EQ(checked[2].verdict, PerformanceVerdict::kRegression);
}

TEST(MeasureMetricsTest, ErrorsAreThoseOfTheBenchmark) {
  PerformanceRegistry registry;
  AddMetric("a", registry);
  const BenchmarkRunner broken =
      [](const std::string& benchmark,
         const std::vector<std::string>&) -> absl::StatusOr<BenchmarkOutput> {
    return absl::InternalError(benchmark + " fell over");
  };
  EXPECT_THAT(
      MeasureMetrics(registry, broken),
      StatusIs(absl::StatusCode::kInternal, HasSubstr("benchmark fell over")));
  const BenchmarkRunner empty = [](const std::string&,
                                   const std::vector<std::string>&) {
    return BenchmarkOutput();
  };
  EXPECT_THAT(MeasureMetrics(registry, empty),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("metric a")));
}

}  // namespace
}  // namespace moe
