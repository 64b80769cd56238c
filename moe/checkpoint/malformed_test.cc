// Opens every directory of testdata/malformed, each with one defect, and holds
// the error to testdata/malformed/cases.json: its code, and what its message
// names.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/checkpoint.h"

namespace moe::checkpoint {
namespace {

using ::testing::HasSubstr;

constexpr char kCorpus[] = "testdata/malformed";

struct Case {
  std::string name;
  std::string stage;
  std::string code;
  std::string mentions;
};

std::vector<Case> ReadCases() {
  const std::string text =
      base::ReadFile(absl::StrCat(kCorpus, "/cases.json"), 1 << 20).value();
  const base::Json document = base::ParseJsonObject(text).value();
  std::vector<Case> cases;
  for (const auto& [name, fields] : document.items()) {
    cases.push_back(
        {name, fields["stage"], fields["code"], fields["mentions"]});
  }
  return cases;
}

// Names of gtest parameters are letters, digits and underscores, as these are.
std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

absl::Status OpenAndCheck(absl::string_view directory) {
  MOE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                       Checkpoint::Open(directory));
  base::Progress silent(base::Progress::Style::kSilent, {});
  return checkpoint.CheckFinite(silent);
}

class MalformedTest : public ::testing::TestWithParam<Case> {};

TEST_P(MalformedTest, GivesTheRightError) {
  const std::string directory = absl::StrCat(kCorpus, "/", GetParam().name);
  const absl::Status status = OpenAndCheck(directory);
  EXPECT_EQ(absl::StatusCodeToString(status.code()), GetParam().code) << status;
  if (status.ok()) return;
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr(GetParam().mentions));
  EXPECT_THAT(message, HasSubstr(directory));
}

INSTANTIATE_TEST_SUITE_P(Corpus, MalformedTest,
                         ::testing::ValuesIn(ReadCases()), CaseName);

TEST(MalformedCorpusTest, IsWhole) { EXPECT_EQ(ReadCases().size(), 95u); }

TEST(MalformedCorpusTest, ValuesAreLookedAtOnlyWhenAsked) {
  for (const Case& c : ReadCases()) {
    if (c.stage != "values") continue;
    MOE_EXPECT_OK(Checkpoint::Open(absl::StrCat(kCorpus, "/", c.name)));
  }
}

}  // namespace
}  // namespace moe::checkpoint
