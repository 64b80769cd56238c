// Reads every file of testdata/tokenizers/malformed, each with one defect, and
// holds the error to cases.json: its code, and what its message mentions.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/tokenizer_json.h"

namespace moe::text {
namespace {

using ::testing::HasSubstr;

constexpr char kCorpus[] = "testdata/tokenizers/malformed";

struct Case {
  std::string name;
  std::string code;
  std::string mentions;
};

std::vector<Case> ReadCases() {
  const base::Json document =
      base::ParseJsonObject(
          base::ReadFile(absl::StrCat(kCorpus, "/cases.json"), 1 << 20).value())
          .value();
  std::vector<Case> cases;
  for (const auto& [name, fields] : document.items()) {
    cases.push_back({name, fields["code"], fields["mentions"]});
  }
  return cases;
}

class MalformedTokenizerTest : public ::testing::TestWithParam<Case> {};

TEST_P(MalformedTokenizerTest, GivesTheRightError) {
  const std::string text =
      base::ReadFile(absl::StrCat(kCorpus, "/", GetParam().name, ".json"),
                     1 << 20)
          .value();
  const absl::Status status = ParseTokenizerJson(text, {}).status();
  EXPECT_EQ(absl::StatusCodeToString(status.code()), GetParam().code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().mentions));
}

std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Corpus, MalformedTokenizerTest,
                         ::testing::ValuesIn(ReadCases()), CaseName);

TEST(MalformedTokenizerCorpusTest, IsWhole) {
  EXPECT_GE(ReadCases().size(), 60u);
}

}  // namespace
}  // namespace moe::text
