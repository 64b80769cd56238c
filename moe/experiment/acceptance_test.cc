#include "moe/experiment/acceptance.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/text_proto.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

// Two evaluations and a step that is none.
ExperimentSpec SpecWith(const std::string& criterion) {
  ExperimentSpec spec;
  EXPECT_THAT(ParseTextProto("steps { name: \"dense\" evaluate {} }"
                             "steps { name: \"after\" evaluate {} }"
                             "steps { name: \"mlp\" convert_mlp {} }"
                             "criteria { " +
                                 criterion + " }",
                             "spec", spec),
              IsOk());
  return spec;
}

ExperimentLock Found() {
  ExperimentLock lock;
  EXPECT_THAT(
      ParseTextProto(
          "steps { name: \"dense\" metrics { name: \"perplexity\" number: 2 } }"
          "steps { name: \"after\" metrics { name: \"perplexity\" number: 3 }"
          " metrics { name: \"num_predicted_tokens\" count: 7 } }",
          "lock", lock),
      IsOk());
  return lock;
}

struct Case {
  std::string criterion;
  bool met;
  std::string text;
};

TEST(CheckCriteriaTest, HoldsMetricsToTheirBounds) {
  const Case cases[] = {
      {"metric: \"after.perplexity\" at_most: 3", true, "at most 3"},
      {"metric: \"after.perplexity\" at_most: 2.5", false, "at most 2.5"},
      {"metric: \"after.num_predicted_tokens\" at_least: 7", true,
       "after.num_predicted_tokens is 7; wanted is at least 7"},
      {"metric: \"after.perplexity\" at_least: 3.5", false, "is 3"},
      {"metric: \"after.perplexity\" "
       "at_most_metric { metric: \"dense.perplexity\" }",
       false, "at most 2 = 1 * dense.perplexity"},
      {"metric: \"after.perplexity\" "
       "at_most_metric { metric: \"dense.perplexity\" times: 1.5 }",
       true, "at most 3 = 1.5 * dense.perplexity"},
  };
  for (const Case& c : cases) {
    const ExperimentSpec spec = SpecWith(c.criterion);
    EXPECT_THAT(ValidateCriteria(spec), IsOk());
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<CriterionResult> results,
                             CheckCriteria(spec, Found()));
    ASSERT_EQ(results.size(), 1);
    EXPECT_EQ(results[0].met, c.met) << c.criterion;
    EXPECT_THAT(results[0].text, HasSubstr(c.text));
  }
}

TEST(CheckCriteriaTest, ANumberThatIsNoneMeetsNothing) {
  ExperimentLock found = Found();
  found.mutable_steps(1)->mutable_metrics(0)->set_number(
      std::numeric_limits<double>::quiet_NaN());
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<CriterionResult> results,
      CheckCriteria(SpecWith("metric: \"after.perplexity\" at_most: 3"),
                    found));
  EXPECT_FALSE(results[0].met);
}

TEST(CheckCriteriaTest, ReportsAMetricThatIsNotThere) {
  EXPECT_THAT(
      CheckCriteria(SpecWith("metric: \"dense.loss\" at_most: 3"), Found())
          .status(),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("dense.loss")));
}

TEST(ValidateCriteriaTest, NamesTheFieldOfAMistake) {
  const Case mistakes[] = {
      {"metric: \"mlp.loss\" at_most: 1", false, "metric is \"mlp.loss\""},
      {"metric: \"dense\" at_most: 1", false, "metric is \"dense\""},
      {"metric: \"dense.losses_digest\" at_most: 1", false, "wanted is STEP"},
      {"metric: \"dense.loss\"", false, "there is no bound"},
      {"metric: \"dense.loss\" at_most: inf", false,
       "at_most: expected finite numbers, found inf"},
      {"metric: \"dense.loss\" at_least: nan", false,
       "at_least: expected finite numbers, found nan"},
      {"metric: \"dense.loss\" at_most_metric { metric: \"x.loss\" }", false,
       "at_most_metric.metric is \"x.loss\""},
      {"metric: \"dense.loss\" at_most_metric { metric: \"after.loss\" "
       "times: 0 }",
       false, "at_most_metric.times: expected finite numbers above 0, found 0"},
  };
  for (const Case& mistake : mistakes) {
    EXPECT_THAT(ValidateCriteria(SpecWith(mistake.criterion)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("criteria[0]: ")))
        << mistake.criterion;
    EXPECT_THAT(
        ValidateCriteria(SpecWith(mistake.criterion)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(mistake.text)));
  }
}

}  // namespace
}  // namespace moe
