#include "moe/experiment/evaluation_metrics.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
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

}  // namespace
}  // namespace moe
