#include "moe/text/tokenizer/pattern.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Spans(const Pattern& pattern, absl::string_view text) {
  RegexScratch scratch;
  std::vector<std::string> spans;
  MOE_EXPECT_OK(
      pattern.ForEachMatch(text, scratch, [&](size_t begin, size_t end) {
        spans.push_back(absl::StrCat(begin, "-", end));
        return absl::OkStatus();
      }));
  return spans;
}

TEST(PatternTest, StringsDoNotOverlap) {
  const Pattern pattern = Pattern::FromString("aa").value();
  EXPECT_EQ(pattern.literal(), "aa");
  EXPECT_THAT(Spans(pattern, "aaa.aa"), ElementsAre("0-2", "4-6"));
  EXPECT_THAT(Spans(pattern, ""), IsEmpty());
}

TEST(PatternTest, AnEmptyStringIsBetweenAllCharacters) {
  const Pattern pattern = Pattern::FromString("").value();
  EXPECT_THAT(Spans(pattern, "aé"), ElementsAre("0-0", "1-1", "3-3"));
  EXPECT_THAT(Spans(pattern, ""), IsEmpty());
}

TEST(PatternTest, RegularExpressions) {
  const Pattern pattern = Pattern::FromRegex("a+").value();
  EXPECT_EQ(pattern.literal(), "");
  EXPECT_THAT(Spans(pattern, "baab"), ElementsAre("1-3"));
  EXPECT_THAT(Spans(Pattern::FromPcre2(R"(\d)").value(), "a1"),
              ElementsAre("1-2"));
  EXPECT_THAT(Pattern::FromRegex("(?i)a"),
              StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(PatternTest, AnErrorEndsIt) {
  RegexScratch scratch;
  for (const auto& pattern :
       {Pattern::FromString("a").value(), Pattern::FromRegex("a").value()}) {
    int calls = 0;
    EXPECT_THAT(pattern.ForEachMatch("aaa", scratch,
                                     [&](size_t, size_t) {
                                       ++calls;
                                       return absl::AbortedError("stop");
                                     }),
                StatusIs(absl::StatusCode::kAborted));
    EXPECT_EQ(calls, 1);
  }
}

}  // namespace
}  // namespace moe
