#include "benchmarks/tracking/benchmark_output.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

TEST(BenchmarkOutputTest, TakesTheNumbersOfEveryRow) {
  MOE_ASSERT_OK_AND_ASSIGN(const BenchmarkOutput output,
                           ParseBenchmarkOutput(R"({
    "context": {"num_cpus": 2},
    "benchmarks": [
      {"name": "BM_A/1", "run_type": "iteration", "iterations": 3,
       "real_time": 2.5, "time_unit": "ms", "over_forward": 2.66},
      {"name": "BM_B", "cpu_time": 1}]})"));
  EXPECT_EQ(
      output,
      (BenchmarkOutput{
          {"BM_A/1",
           {{"iterations", 3}, {"real_time", 2.5}, {"over_forward", 2.66}}},
          {"BM_B", {{"cpu_time", 1}}}}));
}

TEST(BenchmarkOutputTest, RefusesWhatIsNone) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ParseBenchmarkOutput(""), StatusIs(kInvalid));
  EXPECT_THAT(ParseBenchmarkOutput("{}"),
              StatusIs(kInvalid, HasSubstr("no list \"benchmarks\"")));
  EXPECT_THAT(ParseBenchmarkOutput(R"({"benchmarks": [{"real_time": 1}]})"),
              StatusIs(kInvalid, HasSubstr("name")));
  EXPECT_THAT(
      ParseBenchmarkOutput(R"({"benchmarks": [{"name": "BM_A",
          "error_occurred": true, "error_message": "no room"}]})"),
      StatusIs(kInvalid, HasSubstr("\"BM_A\" ended with an error: no room")));
}

}  // namespace
}  // namespace moe
