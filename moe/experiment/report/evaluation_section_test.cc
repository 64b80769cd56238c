#include "moe/experiment/report/evaluation_section.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/metrics.h"
#include "moe/experiment/report/testing/small_experiment.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::experiment::testing::SmallExperiment;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(DescribeCheckpointTest, FollowsTheChain) {
  SmallExperiment experiment;
  EXPECT_EQ(DescribeCheckpoint(experiment.spec(), ""), "the dense model");
  EXPECT_EQ(DescribeCheckpoint(experiment.spec(), "aligned"),
            "experts in the MLPs, by the split of step neurons; aligned");
  ExperimentSpec spec;
  ASSERT_THAT(ParseTextProto(R"pb(
                               steps {
                                 name: "mlp"
                                 convert_mlp {}
                               }
                               steps {
                                 name: "both"
                                 convert_attention { checkpoint: "mlp" }
                               }
                               steps {
                                 name: "alone"
                                 convert_attention {}
                               }
                               steps {
                                 name: "refitted"
                                 reconstruct { checkpoint: "alone" }
                               }
                               steps {
                                 name: "narrow"
                                 remove_neurons { options { num_neurons: 96 } }
                               }
                               steps {
                                 name: "narrow_refitted"
                                 reconstruct { checkpoint: "narrow" }
                               }
                             )pb",
                             "spec", spec),
              IsOk());
  EXPECT_EQ(DescribeCheckpoint(spec, "both"),
            "experts in the MLPs, of neurons in their order, routers drawn at "
            "random; experts in attention");
  EXPECT_EQ(DescribeCheckpoint(spec, "alone"), "experts in attention");
  EXPECT_EQ(DescribeCheckpoint(spec, "refitted"),
            "experts in attention; reconstructed");
  EXPECT_EQ(DescribeCheckpoint(spec, "narrow_refitted"),
            "96 neurons in each MLP, the same for every token; reconstructed");
}

TEST(EvaluationsToJsonTest, HasTheNumbersOfTheRecords) {
  SmallExperiment experiment;
  const base::Json evaluations =
      EvaluationsToJson(experiment.spec(), experiment.Lock());
  ASSERT_EQ(evaluations.size(), 3u);
  EXPECT_EQ(evaluations[0]["step"], "before");
  EXPECT_EQ(evaluations[0]["checkpoint"], nullptr);
  EXPECT_EQ(evaluations[1]["checkpoint"], "mlp");
  EXPECT_EQ(evaluations[1].count("aligned_from"), 0u);
  EXPECT_EQ(evaluations[2]["aligned_from"], "mlp");
  EXPECT_EQ(evaluations[1]["loss"], 2);
  EXPECT_EQ(evaluations[1]["perplexity"], 6);
  EXPECT_EQ(evaluations[1]["times_dense"], 3);
  EXPECT_EQ(evaluations[1]["num_predicted_tokens"], 662);
  EXPECT_EQ(evaluations[1]["losses_digest"], std::string(64, 'd'));
}

TEST(EvaluationsToJsonTest, SaysWhatIsNoNumber) {
  SmallExperiment experiment;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  experiment.SetEvaluation("cut", 100, kInfinity);
  experiment.SetEvaluation("after", std::nan(""), std::nan(""));
  const base::Json evaluations =
      EvaluationsToJson(experiment.spec(), experiment.Lock());
  EXPECT_EQ(evaluations[1]["perplexity"], "inf");
  EXPECT_EQ(evaluations[1]["times_dense"], "inf");
  EXPECT_EQ(evaluations[2]["loss"], "nan");
}

TEST(ExpertLoadToJsonTest, HasEachPartThatHasExperts) {
  SmallExperiment experiment;
  MOE_ASSERT_OK_AND_ASSIGN(
      const base::Json loads,
      ExpertLoadToJson(experiment.spec(), experiment.results()));
  ASSERT_EQ(loads.size(), 4u);  // Nothing of the dense model.
  EXPECT_EQ(loads[0]["step"], "cut");
  EXPECT_EQ(loads[0]["part"], "mlp");
  EXPECT_EQ(loads[0]["layers"], base::Json::parse("[0]"));
  EXPECT_EQ(loads[0]["tokens"], base::Json::parse("[[30, 10]]"));
  EXPECT_EQ(loads[3]["step"], "after");
  EXPECT_EQ(loads[3]["part"], "attention");
  experiment.SetReport("cut", R"({"expert_load": 3})");
  EXPECT_THAT(
      ExpertLoadToJson(experiment.spec(), experiment.results()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("\"cut\""), HasSubstr("expert_load"))));
}

std::string Sentence(absl::string_view criterion, bool met, double value,
                     double bound) {
  ExperimentSpec spec;
  EXPECT_THAT(ParseTextProto(criterion, "criterion", *spec.add_criteria()),
              IsOk());
  CriterionResult result;
  result.met = met;
  result.value = value;
  result.bound = bound;
  return CriteriaToJson(spec, {result})[0]["sentence"];
}

TEST(CriteriaToJsonTest, SaysPlainlyWhatIsSo) {
  constexpr absl::string_view kBetter =
      R"pb(metric: "a.perplexity"
           at_most_metric { metric: "b.perplexity" })pb";
  EXPECT_EQ(Sentence(kBetter, true, 2, 3),
            "a.perplexity, 2.000, is better than b.perplexity, 3.000");
  EXPECT_EQ(Sentence(kBetter, true, 3, 3),
            "a.perplexity, 3.000, is as good as b.perplexity, 3.000");
  EXPECT_EQ(Sentence(kBetter, false, 4, 3),
            "a.perplexity, 4.000, is not better than b.perplexity, 3.000");
  EXPECT_EQ(Sentence(kBetter, false, std::nan(""), 3),
            "a.perplexity, not a number, is not better than b.perplexity, "
            "3.000");
  constexpr absl::string_view kTimes =
      R"pb(metric: "a.loss"
           at_most_metric { metric: "b.loss" times: 2 })pb";
  EXPECT_EQ(Sentence(kTimes, false, 9, 8),
            "a.loss, 9.000, is not at most 2.000 times b.loss, 8.000");
  EXPECT_EQ(Sentence("metric: \"a.loss\" at_least: 1", true, 2, 1),
            "a.loss, 2.000, is at least 1.000");
  EXPECT_EQ(Sentence("metric: \"a.loss\" at_most: 1", false, 2, 1),
            "a.loss, 2.000, is not at most 1.000");
}

}  // namespace
}  // namespace moe::experiment
