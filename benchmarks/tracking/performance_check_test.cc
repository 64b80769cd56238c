#include "benchmarks/tracking/performance_check.h"

#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

PerformanceRegistry Registry(TrackedMetric::Direction direction) {
  PerformanceRegistry registry;
  TrackedMetric& metric = *registry.add_metric();
  metric.set_name("a");
  metric.set_benchmark("a_benchmark");
  metric.set_row("BM_A");
  metric.set_counter("ratio");
  metric.set_unit("times");
  metric.set_owner("gates");
  metric.set_direction(direction);
  metric.set_baseline(2);
  metric.set_threshold(0.25);
  return registry;
}

PerformanceVerdict VerdictOf(TrackedMetric::Direction direction, double value) {
  return CheckPerformance(Registry(direction),
                          {{"a_benchmark", {{"BM_A", {{"ratio", value}}}}}})
      .value()[0]
      .verdict;
}

TEST(PerformanceCheckTest, JudgesByDirectionAndThreshold) {
  using V = PerformanceVerdict;
  const auto lower = TrackedMetric::LOWER_IS_BETTER;
  EXPECT_EQ(VerdictOf(lower, 2.5), V::kAsBefore);
  EXPECT_EQ(VerdictOf(lower, 2.51), V::kRegression);
  EXPECT_EQ(VerdictOf(lower, 1.5), V::kAsBefore);
  EXPECT_EQ(VerdictOf(lower, 1.49), V::kBetter);
  const auto higher = TrackedMetric::HIGHER_IS_BETTER;
  EXPECT_EQ(VerdictOf(higher, 1.5), V::kAsBefore);
  EXPECT_EQ(VerdictOf(higher, 1.49), V::kRegression);
  EXPECT_EQ(VerdictOf(higher, 2.5), V::kAsBefore);
  EXPECT_EQ(VerdictOf(higher, 2.51), V::kBetter);
}

TEST(PerformanceCheckTest, SaysWhatIsMissing) {
  const PerformanceRegistry registry = Registry(TrackedMetric::LOWER_IS_BETTER);
  constexpr auto kNotFound = absl::StatusCode::kNotFound;
  EXPECT_THAT(CheckPerformance(registry, {}),
              StatusIs(kNotFound, HasSubstr("metric a: there is no output of "
                                            "\"a_benchmark\"")));
  EXPECT_THAT(
      CheckPerformance(registry,
                       {{"a_benchmark", {{"BM_B", {}}, {"BM_C", {}}}}}),
      StatusIs(kNotFound, HasSubstr("row \"BM_A\"; there are: BM_B, BM_C")));
  EXPECT_THAT(CheckPerformance(registry,
                               {{"a_benchmark", {{"BM_A", {{"seconds", 1}}}}}}),
              StatusIs(kNotFound, HasSubstr("counter \"ratio\"; there are: "
                                            "seconds")));
  EXPECT_THAT(CheckPerformance(registry,
                               {{"a_benchmark", {{"BM_A", {{"ratio", NAN}}}}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nan")));
}

TEST(PerformanceCheckTest, PrintsALineForEveryMetric) {
  std::vector<CheckedMetric> checked =
      CheckPerformance(Registry(TrackedMetric::LOWER_IS_BETTER),
                       {{"a_benchmark", {{"BM_A", {{"ratio", 3.0}}}}}})
          .value();
  EXPECT_TRUE(HasRegression(checked));
  EXPECT_EQ(FormatChange(checked[0]), "+50.0%");
  EXPECT_THAT(FormatPerformanceCheck(checked),
              HasSubstr("3          2   +50.0%  regression (times; gates)\n"));
  checked[0].measurements = 3;
  EXPECT_THAT(FormatPerformanceCheck(checked),
              HasSubstr("(times; gates; median of 3)\n"));
}

}  // namespace
}  // namespace moe
