#include "moe/text/dataset/dataset_report.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::text {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(DatasetReportTest, CountsTokens) {
  TokenSequences sequences;
  sequences.Append({1, 2, 3}, {-100, 2, 3});
  sequences.Append({4}, {4});
  DatasetReport report;
  CountTokens(sequences, report);
  EXPECT_EQ(report.num_sequences, 2);
  EXPECT_EQ(report.num_tokens, 4);
  EXPECT_EQ(report.num_predicted_tokens, 2);
  EXPECT_EQ(report.num_sequences_without_labels, 1);
}

TEST(DatasetReportTest, ListsBadLinesUpToALimit) {
  DatasetReport report;
  for (int i = 1; i <= 25; ++i) {
    report.AddBadLine(absl::InvalidArgumentError(absl::StrCat("f:", i, ": x")));
  }
  EXPECT_EQ(report.num_bad_lines, 25);
  const std::string text = FormatDatasetReport(report);
  EXPECT_THAT(text, HasSubstr("bad lines left out                 25\n"));
  EXPECT_THAT(text, HasSubstr("bad lines:\n  f:1: x\n"));
  EXPECT_THAT(text, HasSubstr("  f:20: x\n  and 5 more\n"));
  EXPECT_THAT(text, Not(HasSubstr("f:21")));
}

TEST(DatasetReportTest, ControlCharactersAreEscaped) {
  DatasetReport report;
  report.num_bad_lines = 1;
  report.bad_lines = {"f\n:1: \x1b"};
  report.files_passed_over = {"a\n", "b\u202e"};
  EXPECT_THAT(FormatDatasetReport(report),
              AllOf(HasSubstr("\n  f\\u000a:1: \\u001b\n"),
                    HasSubstr("files passed over: a\\u000a, b\\u202e\n")));
}

TEST(DatasetReportTest, LeavesOutWhatIsZero) {
  DatasetReport report;
  report.num_lines = 3;
  EXPECT_EQ(FormatDatasetReport(report),
            "  lines                              3\n");
  report.files_passed_over = {"a", "b"};
  EXPECT_THAT(FormatDatasetReport(report),
              HasSubstr("files passed over: a, b\n"));
}

TEST(DatasetReportTest, JsonHasEveryField) {
  DatasetReport report;
  report.num_lines = 3;
  report.bad_lines = {"f:1: x"};
  const base::Json json = DatasetReportToJson(report);
  EXPECT_EQ(json["num_lines"], 3);
  EXPECT_EQ(json["num_bad_lines"], 0);
  EXPECT_EQ(json["bad_lines"][0], "f:1: x");
  EXPECT_EQ(json.size(), 12);  // 10 counts and 2 lists.
}

}  // namespace
}  // namespace moe::text
