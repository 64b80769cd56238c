#include "moe/experiment/metrics.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ReadEvaluationMetricsTest, ReadsTheFourOfThem) {
  const TempDirectory directory;
  const std::string path = directory.Write(
      "e.json",
      R"({"numerics": "exact", "losses_digest": "ab", "loss": 0.30000000000000004,
          "perplexity": 2, "num_tokens": 9, "num_predicted_tokens": 7})");
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<Metric> metrics,
                           ReadEvaluationMetrics(path));
  std::vector<std::string> texts;
  for (const Metric& metric : metrics) {
    texts.push_back(absl::StrCat(metric.name(), " ", FormatMetric(metric)));
  }
  EXPECT_THAT(texts, ElementsAre("loss 0.30000000000000004", "perplexity 2",
                                 "num_predicted_tokens 7", "losses_digest ab"));
}

TEST(ReadEvaluationMetricsTest, ReadsTheDivergenceFromAReference) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<Metric> metrics,
      ReadEvaluationMetrics(directory.Write(
          "e.json",
          R"({"loss": 1, "perplexity": 2, "num_predicted_tokens": 7,
              "kl_divergence": 0.5, "kl_divergence_99": 3,
              "first_choice_agreement": 0.75, "losses_digest": "ab"})")));
  std::vector<std::string> texts;
  for (const Metric& metric : metrics) {
    texts.push_back(absl::StrCat(metric.name(), " ", FormatMetric(metric)));
  }
  EXPECT_THAT(texts, ElementsAre("loss 1", "perplexity 2", "kl_divergence 0.5",
                                 "first_choice_agreement 0.75",
                                 "num_predicted_tokens 7", "losses_digest ab"));
}

TEST(ReadEvaluationMetricsTest, NamesPathAndFieldOfWhatIsMissing) {
  const TempDirectory directory;
  EXPECT_THAT(ReadEvaluationMetrics(directory.Write("e.json", R"({"loss": 1,
                      "num_predicted_tokens": 7, "losses_digest": "ab"})"))
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("e.json"), HasSubstr("perplexity"))));
  EXPECT_THAT(ReadEvaluationMetrics(directory.Path("none")).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST(ReadEvaluationMetricsTest, ReadsWhatJsonCannotSay) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<Metric> huge,
      ReadEvaluationMetrics(
          directory.Write("huge.json", R"({"loss": 90.5, "perplexity": null,
              "num_predicted_tokens": 7, "losses_digest": "ab"})")));
  EXPECT_EQ(huge[0].number(), 90.5);
  EXPECT_EQ(FormatMetric(huge[1]), "inf");
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<Metric> broken,
      ReadEvaluationMetrics(
          directory.Write("broken.json", R"({"loss": null, "perplexity": null,
              "num_predicted_tokens": 7, "losses_digest": "ab"})")));
  EXPECT_EQ(FormatMetric(broken[0]), "nan");
  EXPECT_EQ(FormatMetric(broken[1]), "nan");
  EXPECT_TRUE(SameMetric(broken[0], broken[0]));
}

TEST(SameMetricTest, ComparesBits) {
  Metric a;
  a.set_name("loss");
  a.set_number(0.0);
  Metric b = a;
  EXPECT_TRUE(SameMetric(a, b));
  b.set_number(-0.0);
  EXPECT_FALSE(SameMetric(a, b));
  b.set_count(0);
  EXPECT_FALSE(SameMetric(a, b));
  b = a;
  b.set_name("perplexity");
  EXPECT_FALSE(SameMetric(a, b));
  a.set_digest("1");
  b = a;
  EXPECT_TRUE(SameMetric(a, b));
  b.set_digest("2");
  EXPECT_FALSE(SameMetric(a, b));
}

TEST(FormatMetricTest, SaysWhereThereIsNone) {
  EXPECT_EQ(FormatMetric(Metric()), "nothing");
}

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
       "after.num_predicted_tokens is 7; expected at least 7"},
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

TEST(ValidateCriteriaTest, TakesADivergenceWithAReferenceAlone) {
  ExperimentSpec spec =
      SpecWith("metric: \"after.kl_divergence\" at_most: 0.5");
  EXPECT_THAT(ValidateCriteria(spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("found \"after.kl_divergence\"")));
  spec.mutable_steps(1)->mutable_evaluate()->set_reference("dense");
  EXPECT_THAT(ValidateCriteria(spec), IsOk());
}

TEST(ValidateCriteriaTest, NamesTheFieldOfAMistake) {
  const Case mistakes[] = {
      {"metric: \"mlp.loss\" at_most: 1", false, "found \"mlp.loss\""},
      {"metric: \"dense\" at_most: 1", false, "found \"dense\""},
      {"metric: \"dense.losses_digest\" at_most: 1", false, "expected STEP"},
      {"metric: \"dense.loss\"", false, "expected a bound"},
      {"metric: \"dense.loss\" at_most: inf", false,
       "at_most: expected finite numbers, found inf"},
      {"metric: \"dense.loss\" at_least: nan", false,
       "at_least: expected finite numbers, found nan"},
      {"metric: \"dense.loss\" at_most_metric { metric: \"x.loss\" }", false,
       "at_most_metric.metric: expected STEP"},
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

}  // namespace moe::experiment
