#include "moe/text/tokenizer/normalizer.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;

absl::StatusOr<std::string> RunSteps(std::vector<NormalizerStep> steps,
                                     absl::string_view text) {
  RegexScratch scratch;
  return Normalizer(std::move(steps)).Run(text, scratch);
}

ReplaceStep Replace(absl::string_view from, absl::string_view to) {
  return {Pattern::FromString(from).value(), std::string(to)};
}

TEST(NormalizerTest, StepsRunInOrder) {
  EXPECT_THAT(RunSteps({PrependStep{"_"}, Replace(" ", "_")}, "a b "),
              IsOkAndHolds("_a_b_"));
  EXPECT_THAT(RunSteps({Replace(" ", "_"), PrependStep{" "}}, "a b"),
              IsOkAndHolds(" a_b"));
  EXPECT_THAT(RunSteps({StripStep{true, false}, LowercaseStep{}}, " A "),
              IsOkAndHolds("a "));
  EXPECT_THAT(RunSteps({StripStep{false, true}}, " A "), IsOkAndHolds(" A"));
  EXPECT_THAT(RunSteps({NormalForm::kNfkc}, "\uFB01e\u0301"),
              IsOkAndHolds("fi\u00E9"));
  EXPECT_THAT(RunSteps({NormalForm::kNfd}, "ascii"), IsOkAndHolds("ascii"));
  EXPECT_THAT(RunSteps({}, "a"), IsOkAndHolds("a"));
  EXPECT_THAT(RunSteps({PrependStep{"_"}}, ""), IsOkAndHolds(""));
}

TEST(NormalizerTest, GrowthIsBounded) {
  std::vector<NormalizerStep> steps;
  for (int i = 0; i < 64; ++i) steps.push_back(Replace("a", "aaaa"));
  EXPECT_THAT(RunSteps(std::move(steps), "a"),
              StatusIs(absl::StatusCode::kResourceExhausted));
  std::vector<NormalizerStep> prefixes(64,
                                       PrependStep{std::string(1 << 12, 'a')});
  EXPECT_THAT(RunSteps(std::move(prefixes), "a"),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(NormalizerTest, KnowsWhatKeepsTheBeginning) {
  EXPECT_TRUE(Normalizer({}).KeepsBeginning());
  EXPECT_TRUE(
      Normalizer({NormalForm::kNfc, Replace("é", "e")}).KeepsBeginning());
  EXPECT_FALSE(Normalizer({StripStep{true, true}}).KeepsBeginning());
  EXPECT_FALSE(Normalizer({Replace("ab", "e")}).KeepsBeginning());
  EXPECT_FALSE(Normalizer({Replace("a", "")}).KeepsBeginning());
  EXPECT_TRUE(Normalizer({}).IsIdentity());
  EXPECT_FALSE(Normalizer({LowercaseStep{}}).IsIdentity());
}

}  // namespace
}  // namespace moe::text
