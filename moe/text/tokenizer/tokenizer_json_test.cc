#include "moe/text/tokenizer/tokenizer_json.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/bpe_tokenizer.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::string_view kModel =
    R"("model":{"vocab":{"a":0,"b":1,"ab":2},"merges":["#version: 0.2","a b"]})";

TEST(TokenizerJsonTest, TheLeastThereIs) {
  // As the first versions of the package wrote it: a model without a type,
  // merges as lines.
  MOE_ASSERT_OK_AND_ASSIGN(
      const auto tokenizer,
      ParseTokenizerJson(absl::StrCat("{", kModel, "}"),
                         {std::nullopt, std::nullopt, "d"}));
  EXPECT_THAT(tokenizer->Encode("abxa", true), IsOkAndHolds(ElementsAre(2, 0)));
  EXPECT_THAT(tokenizer->Decode({2, 0}, false), IsOkAndHolds("ab a"));
  EXPECT_EQ(tokenizer->vocab_size(), 3);
  EXPECT_EQ(tokenizer->digest(), "d");
}

TEST(TokenizerJsonTest, TextsAreNeitherCutNorPadded) {
  const auto parse = [](absl::string_view max_length) {
    return ParseTokenizerJson(
        absl::StrCat(
            R"({"truncation":{"max_length":)", max_length,
            R"(,"strategy":"LongestFirst","stride":0},)",
            R"("padding":{"strategy":{"Fixed":8},"direction":"Right",)",
            R"("pad_id":0,"pad_type_id":0,"pad_token":"a"},)", kModel, "}"),
        {});
  };
  MOE_ASSERT_OK_AND_ASSIGN(const auto tokenizer, parse("1"));
  EXPECT_THAT(tokenizer->Encode("aa", true), IsOkAndHolds(ElementsAre(0, 0)));
  EXPECT_THAT(parse("-1"), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("/truncation/max_length")));
}

TEST(TokenizerJsonTest, FirstMetaspaceOnlyWhereFirstCanBeTold) {
  const auto parse = [](absl::string_view normalizer) {
    return ParseTokenizerJson(
        absl::StrCat(
            R"({"pre_tokenizer":{"type":"Metaspace","replacement":"b",)",
            R"("prepend_scheme":"first"},"normalizer":)", normalizer, ",",
            kModel, "}"),
        {});
  };
  MOE_ASSERT_OK_AND_ASSIGN(const auto tokenizer, parse("null"));
  EXPECT_THAT(tokenizer->Encode("a a", false),
              IsOkAndHolds(ElementsAre(1, 0, 1, 0)));
  MOE_EXPECT_OK(parse(R"({"type":"NFC"})"));
  EXPECT_THAT(parse(R"({"type":"Strip","strip_left":true,"strip_right":true})"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("first")));
}

}  // namespace
}  // namespace moe::text
