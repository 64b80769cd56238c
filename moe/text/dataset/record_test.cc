#include "moe/text/dataset/record.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

constexpr int64_t kVocabSize = 100;

TEST(RecordTest, ReadsBothFormsOfConversations) {
  const Record want = Conversation{{{Role::kSystem, "Be kind."},
                                    {Role::kUser, "Hi"},
                                    {Role::kAssistant, "Hello\nZo\xc3\xab"}}};
  EXPECT_THAT(
      ParseRecord(R"({"conversations": [{"from": "system", "value": "Be kind."},
                      {"from": "human", "value": "Hi"},
                      {"from": "gpt", "value": "Hello\nZo\u00eb"}]})",
                  kVocabSize),
      IsOkAndHolds(want));
  EXPECT_THAT(
      ParseRecord(R"({"messages": [{"role": "system", "content": "Be kind."},
                      {"role": "user", "content": "Hi"},
                      {"role": "assistant", "content": "Hello\nZoë"}]})",
                  kVocabSize),
      IsOkAndHolds(want));
}

TEST(RecordTest, ReadsTextAndTokenIds) {
  EXPECT_THAT(ParseRecord(R"({"text": "a \u0000 b"})", kVocabSize),
              IsOkAndHolds(Record(PlainText{std::string("a \0 b", 5)})));
  EXPECT_THAT(ParseRecord(R"({"text": ""})", kVocabSize),
              IsOkAndHolds(Record(PlainText{""})));
  EXPECT_THAT(ParseRecord(R"({"input_ids": [0, 99], "labels": [-100, 99]})",
                          kVocabSize),
              IsOkAndHolds(Record(TokenIds{{0, 99}, {-100, 99}})));
}

TEST(RecordTest, LabelsThatAreAbsentAreTheIds) {
  const Record want = TokenIds{{7, 8}, {7, 8}};
  EXPECT_THAT(ParseRecord(R"({"input_ids": [7, 8]})", kVocabSize),
              IsOkAndHolds(want));
  EXPECT_THAT(
      ParseRecord(R"({"input_ids": [7, 8], "labels": null})", kVocabSize),
      IsOkAndHolds(want));
}

TEST(RecordTest, OtherFieldsArePassedOver) {
  EXPECT_THAT(
      ParseRecord(R"({"id": 3, "messages": null, "text": "a", "x": [{}]})",
                  kVocabSize),
      IsOkAndHolds(Record(PlainText{"a"})));
  EXPECT_THAT(ParseRecord(R"({"conversations":
                  [{"from": "gpt", "value": "a", "weight": 1}]})",
                          kVocabSize),
              IsOkAndHolds(Record(Conversation{{{Role::kAssistant, "a"}}})));
}

TEST(RecordTest, TurnsMayComeInAnyOrder) {
  EXPECT_THAT(
      ParseRecord(R"({"conversations": [{"from": "gpt", "value": "a"},
                  {"from": "human", "value": "b"},
                  {"from": "human", "value": ""}]})",
                  kVocabSize),
      IsOkAndHolds(Record(Conversation{
          {{Role::kAssistant, "a"}, {Role::kUser, "b"}, {Role::kUser, ""}}})));
}

TEST(RecordTest, EveryDefectHasItsMessage) {
  const struct {
    const char* line;
    const char* message;
  } kCases[] = {
      {"{\"text\": \"a\"", "malformed JSON at byte 13"},
      {"{\"text\": \"\xff\"}", "malformed JSON at byte 11"},
      {R"({"text": "\ud800"})", "malformed JSON"},
      {R"({"text": "a", "text": "b"})", "the field \"text\" occurs twice"},
      {R"(["a"])", "the document is a JSON array; wanted is an object"},
      {"{}",
       "there is none of the fields \"conversations\", \"messages\", "
       "\"text\" or \"input_ids\""},
      {R"({"text": "a", "input_ids": [1]})",
       "has both \"text\" and \"input_ids\""},
      {R"({"text": 3})", "text is 3; wanted is a string"},
      {R"({"conversations": {}})",
       "conversations is a JSON object; wanted is an array of turns"},
      {R"({"conversations": []})",
       "conversations is empty; wanted is at least one of turns"},
      {R"({"conversations": ["a"]})",
       "conversations[0]: the turn is a JSON string; wanted is an object with "
       "\"from\" and \"value\""},
      {R"({"conversations": [{"from": "human", "value": "a"}]})",
       "conversations has no turn of the assistant (\"from\": \"gpt\")"},
      {R"({"conversations": [{"from": "gpt", "value": "a"},
                             {"from": "user", "value": "b"}]})",
       "conversations[1]: from is \"user\"; wanted is \"human\" or \"gpt\" or "
       "\"system\""},
      {R"({"conversations": [{"from": 1, "value": "a"}]})",
       "conversations[0]: from is 1; wanted is a string"},
      {R"({"conversations": [{"from": "gpt"}]})",
       "conversations[0]: there is no field \"value\""},
      {R"({"conversations": [{"from": "gpt", "value": ["a"]}]})",
       "conversations[0]: value is [\"a\"]; wanted is a string"},
      {R"({"messages": [{"role": "tool", "content": "a"}]})",
       "messages[0]: role is \"tool\"; wanted is \"user\" or \"assistant\" or "
       "\"system\""},
      {R"({"messages": [{"from": "gpt", "value": "a"}]})",
       "messages[0]: there is no field \"role\""},
      {R"({"input_ids": []})", "input_ids is empty"},
      {R"({"input_ids": "1"})",
       "input_ids is a JSON string; wanted is an array"},
      {R"({"input_ids": [1, 100]})",
       "input_ids[1] is 100; wanted is a token id, 0 to 99"},
      {R"({"input_ids": [-1]})", "input_ids[0] is -1"},
      {R"({"input_ids": [-100]})", "input_ids[0] is -100"},
      {R"({"input_ids": [1.0]})", "input_ids[0] is 1.0"},
      {R"({"input_ids": [18446744073709551615]})",
       "input_ids[0] is 18446744073709551615"},
      {R"({"input_ids": [4294967297]})", "input_ids[0] is 4294967297"},
      {R"({"input_ids": [[1]]})", "input_ids[0] is a JSON array"},
      {R"({"input_ids": [1, 2], "labels": [1]})",
       "labels has 1 entries and input_ids has 2"},
      {R"({"input_ids": [1], "labels": [-99]})",
       "labels[0] is -99; wanted is a token id, 0 to 99, or -100"},
      {R"({"input_ids": [1], "labels": [null]})", "labels[0] is null"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(
        ParseRecord(test.line, kVocabSize),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(test.message)))
        << test.line;
  }
}

TEST(RecordTest, NestingIsBounded) {
  const std::string deep =
      "{\"text\": \"a\", \"x\": " + std::string(100'000, '[') +
      std::string(100'000, ']') + "}";
  EXPECT_THAT(ParseRecord(deep, kVocabSize),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("nested deeper than")));
}

}  // namespace
}  // namespace moe
