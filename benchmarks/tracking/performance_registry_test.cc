#include "benchmarks/tracking/performance_registry.h"

#include <cmath>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::HasSubstr;

constexpr char kText[] = R"(
metric {
  name: "split/get_grads-1" benchmark: "split_benchmark" row: "BM_A/1"
  counter: "over_forward" unit: "times a forward" direction: LOWER_IS_BETTER
  baseline: 2.5 threshold: 0.1 owner: "split"
})";

PerformanceRegistry Sample() {
  const TempDirectory directory;
  directory.Write("registry.textproto", kText);
  return ReadPerformanceRegistry(directory.Path("registry.textproto")).value();
}

TEST(PerformanceRegistryTest, TheSampleIsValid) {
  EXPECT_THAT(ValidatePerformanceRegistry(Sample()), IsOk());
}

// What the project itself tracks.
TEST(PerformanceRegistryTest, TheRegistryOfTheProjectIsValid) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const PerformanceRegistry registry,
      ReadPerformanceRegistry("benchmarks/registry.textproto"));
  EXPECT_GT(registry.metric_size(), 10);
}

TEST(PerformanceRegistryTest, NamesTheMetricAndTheFieldThatIsWrong) {
  const struct {
    std::function<void(TrackedMetric&)> change;
    const char* message;
  } kCases[] = {
      {[](TrackedMetric& m) { m.clear_name(); }, "metric 0 (\"\"): name"},
      {[](TrackedMetric& m) { m.set_name("a b"); }, "name is a b"},
      {[](TrackedMetric& m) { m.clear_benchmark(); }, "benchmark"},
      {[](TrackedMetric& m) { m.clear_row(); }, "row"},
      {[](TrackedMetric& m) { m.clear_counter(); }, "counter"},
      {[](TrackedMetric& m) { m.clear_unit(); }, "unit"},
      {[](TrackedMetric& m) { m.clear_owner(); }, "owner"},
      {[](TrackedMetric& m) { m.clear_direction(); }, "direction is 0"},
      {[](TrackedMetric& m) { m.set_baseline(0); }, "baseline is 0"},
      {[](TrackedMetric& m) { m.set_baseline(std::nan("")); }, "baseline"},
      {[](TrackedMetric& m) { m.set_threshold(0); }, "threshold is 0"},
      {[](TrackedMetric& m) { m.set_threshold(1); }, "threshold is 1"},
  };
  for (const auto& [change, message] : kCases) {
    PerformanceRegistry registry = Sample();
    change(*registry.mutable_metric(0));
    EXPECT_THAT(
        ValidatePerformanceRegistry(registry),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
  PerformanceRegistry twice = Sample();
  *twice.add_metric() = twice.metric(0);
  EXPECT_THAT(ValidatePerformanceRegistry(twice),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("metric 1: \"split/get_grads-1\" stands "
                                 "twice")));
}

TEST(PerformanceRegistryTest, WorstAllowedIsOnTheWorseSide) {
  TrackedMetric metric;
  metric.set_baseline(2);
  metric.set_threshold(0.25);
  metric.set_direction(TrackedMetric::LOWER_IS_BETTER);
  EXPECT_EQ(WorstAllowed(metric), 2.5);
  metric.set_direction(TrackedMetric::HIGHER_IS_BETTER);
  EXPECT_EQ(WorstAllowed(metric), 1.5);
}

}  // namespace
}  // namespace moe
