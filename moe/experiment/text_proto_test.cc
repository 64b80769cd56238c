#include "moe/experiment/text_proto.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ParseTextProtoTest, ReadsFieldsAndComments) {
  ExperimentSpec spec;
  ASSERT_THAT(ParseTextProto("# A spec.\nname: \"a\"\n"
                             "steps { name: \"s\" evaluate {} }\n",
                             "a.textproto", spec),
              IsOk());
  EXPECT_EQ(spec.name(), "a");
  ASSERT_EQ(spec.steps_size(), 1);
  EXPECT_TRUE(spec.steps(0).has_evaluate());
}

struct Mistake {
  std::string text;
  std::string where;  // "2:1"
  std::string what;
};

TEST(ParseTextProtoTest, NamesFileLineAndColumnOfAMistake) {
  const Mistake mistakes[] = {
      {"name: \"a\"\nsteeps {}\n", "2:", "steeps"},
      {"name: \"a\"\nname: \"b\"\n", "2:", "name"},
      {"steps {\n  name: 7\n}\n", "2:", "7"},
      {"steps { split {\n", "2:1", ""},
      {"steps {\n  hidden_clustering { options { num_expert: 8 } }\n}",
       "2:", "num_expert"},
      {"steps { split { options {\ncriterion: BEST } } }", "2:", "BEST"},
  };
  for (const Mistake& mistake : mistakes) {
    ExperimentSpec spec;
    EXPECT_THAT(
        ParseTextProto(mistake.text, "dir/a.textproto", spec),
        StatusIs(
            absl::StatusCode::kInvalidArgument,
            AllOf(StartsWith(absl::StrCat("dir/a.textproto:", mistake.where)),
                  HasSubstr(mistake.what))))
        << mistake.text;
  }
}

TEST(ReadTextProtoTest, ReadsBackWhatWasWrittenToTheBit) {
  const TempDirectory directory;
  const std::string path = directory.Path("lock.textproto");
  ExperimentLock lock;
  lock.set_experiment("a");
  Metric& metric = *lock.add_steps()->add_metrics();
  metric.set_name("loss");
  metric.set_number(0.1 + 0.2);  // Takes 17 digits: 0.30000000000000004.
  ASSERT_THAT(WriteTextProto(lock, "# Written by a test.\n", path), IsOk());
  // Over the file that is there now.
  ASSERT_THAT(WriteTextProto(lock, "# Written by a test.\n", path), IsOk());
  MOE_ASSERT_OK_AND_ASSIGN(const ExperimentLock read,
                           ReadTextProto<ExperimentLock>(path));
  EXPECT_EQ(read.steps(0).metrics(0).number(), 0.1 + 0.2);
  EXPECT_EQ(FormatTextProto(read), FormatTextProto(lock));
}

TEST(ReadTextProtoTest, ReportsAMissingFile) {
  EXPECT_THAT(ReadTextProto<ExperimentSpec>("no/such").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/such")));
}

}  // namespace
}  // namespace moe::experiment
