#include "moe/text/dataset/record.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
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

TEST(RecordTest, TakesTheKeysAndRolesThatDatasetsUse) {
  const Record want =
      Conversation{{{Role::kUser, "Hi"}, {Role::kAssistant, "Hello"}}};
  for (const char* row :
       {R"({"messages": [{"from": "user", "value": "Hi"},
                         {"from": "assistant", "value": "Hello"}]})",
        R"({"dialog": [{"role": "human", "content": "Hi"},
                       {"role": "model", "content": "Hello"}]})",
        R"({"conversations": [{"role": "prompter", "content": "Hi"},
                              {"from": "chatgpt", "content": "Hello"}]})",
        R"({"chat": [{"role": "user", "content": [{"type": "text", "text": "H"},
                                                  {"text": "i"}]},
                     {"role": "bot", "content": ["Hel", "lo"]}]})",
        R"({"prompt": "Hi", "completion": "Hello"})",
        R"({"prompt": [{"role": "user", "content": "Hi"}], "id": 3,
            "completion": [{"role": "assistant", "content": "Hello"}]})",
        R"({"instruction": "Hi", "input": "", "output": "Hello"})",
        R"({"messages": [{"role": "user", "content": "Hi"},
                         {"role": "assistant", "content": "Hello"}],
            "prompt": "Hi", "completion": "Hey"})",
        R"({"instruction": "Hi", "response": "Hello", "chat": "no list"})"}) {
    EXPECT_THAT(ParseRecord(row, kVocabSize), IsOkAndHolds(want)) << row;
  }
  EXPECT_THAT(
      ParseRecord(R"({"system": "Be kind.", "instruction": "Say", "input": "hi",
                      "output": "hi"})",
                  kVocabSize),
      IsOkAndHolds(Record(Conversation{{{Role::kSystem, "Be kind."},
                                        {Role::kUser, "Say\nhi"},
                                        {Role::kAssistant, "hi"}}})));
}

TEST(RecordTest, TakesTheTurnsOfTools) {
  const std::string calls =
      R"([{"type":"function","function":{"name":"w","arguments":{}}}])";
  const Record want = Conversation{{{Role::kUser, "Weather?"},
                                    {Role::kAssistant, "", calls},
                                    {Role::kTool, "sun"},
                                    {Role::kAssistant, "Sunny."}}};
  EXPECT_THAT(ParseRecord(R"({"messages": [
                  {"role": "user", "content": "Weather?"},
                  {"role": "assistant", "content": null, "tool_calls": [
                      {"type": "function",
                       "function": {"name": "w", "arguments": {}}}]},
                  {"role": "tool", "content": "sun"},
                  {"role": "assistant", "content": "Sunny."}]})",
                          kVocabSize),
              IsOkAndHolds(want));
  EXPECT_THAT(ParseRecord(R"({"conversations": [
                  {"from": "human", "value": "Weather?"},
                  {"from": "function_call",
                   "value": "{\"name\": \"w\", \"arguments\": {}}"},
                  {"from": "observation", "value": "sun"},
                  {"from": "gpt", "value": "Sunny."}]})",
                          kVocabSize),
              IsOkAndHolds(want));
}

TEST(RecordTest, TokensThatAreMaskedAreNone) {
  EXPECT_THAT(
      ParseRecord(R"({"input_ids": [9, 1, 2, 9], "attention_mask": [0, 1, 1, 0],
                      "labels": [-100, -100, 2, -100]})",
                  kVocabSize),
      IsOkAndHolds(Record(TokenIds{{1, 2}, {-100, 2}})));
}

TEST(RecordTest, EmptyRowsAreEmptyRecords) {
  for (const char* row :
       {R"({"text": ""})", R"({"messages": []})", R"({"input_ids": []})",
        R"({"input_ids": [1], "attention_mask": [0]})"}) {
    MOE_ASSERT_OK_AND_ASSIGN(const Record record, ParseRecord(row, kVocabSize));
    EXPECT_TRUE(IsEmpty(record)) << row;
  }
  EXPECT_FALSE(IsEmpty(PlainText{" "}));
}

TEST(RecordTest, ANamedColumnIsTheText) {
  constexpr char kRow[] = R"({"instruction": "a", "output": "b", "text": "c"})";
  EXPECT_THAT(ParseRecord(kRow, kVocabSize, "text"),
              IsOkAndHolds(Record(PlainText{"c"})));
  EXPECT_THAT(
      ParseRecord(kRow, kVocabSize, "story"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("story: expected a string, found no such field")));
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
      {R"(["a"])", "expected a JSON object, found a JSON array"},
      {"{}", "expected one of the fields \"conversations\", \"messages\", "},
      {"{}",
       "\"instruction\" with \"output\", \"prompt\" with "
       "\"completion\", found none; name another with --text_column"},
      {R"({"text": null})",
       "found none (\"text\" is null); name another with --text_column"},
      {R"({"prompt": "a"})", "expected one of the fields"},
      {R"({"instruction": "a", "output": "b", "prompt": "c", "completion": "d"})",
       "expected one of \"instruction\" with \"output\" and \"prompt\" with "
       "\"completion\", found both; remove one, or name the field of the text "
       "with --text_column"},
      {R"({"text": "a", "input_ids": [1]})",
       "expected one of \"text\" and \"input_ids\", found both"},
      {R"({"text": 3})", "text: expected a string, found 3"},
      {R"({"conversations": {}})",
       "conversations: expected an array of turns, found a JSON object"},
      {R"({"conversations": ["a"]})",
       "conversations[0]: expected an object with \"role\" or \"from\" and "
       "\"content\" or \"value\", found a JSON string"},
      {R"({"conversations": [{"from": "human", "value": "a"}]})",
       "conversations: expected at least one turn of the assistant, found "
       "none"},
      {R"({"conversations": [{"from": "gpt", "value": "a"},
                             {"from": "fox", "value": "b"}]})",
       "conversations[1]: from: expected one of \"system\", \"developer\", "
       "\"user\""},
      {R"({"conversations": [{"from": 1, "value": "a"}]})",
       "conversations[0]: from: expected a string, found 1"},
      {R"({"conversations": [{"from": "gpt"}]})",
       "conversations[0]: expected the field \"content\" or \"value\", found "
       "neither"},
      {R"({"conversations": [{"from": "gpt", "role": "user", "value": "a"}]})",
       "conversations[0]: expected \"role\" or \"from\", found both"},
      {R"({"conversations": [{"from": "gpt", "value": [{"type": "image"}]}]})",
       "conversations[0]: value[0]: expected a part of type \"text\", found a "
       "part of type \"image\""},
      {R"({"conversations": [{"from": "gpt", "value": [3]}]})",
       "conversations[0]: value[0]: expected a part of type \"text\", found 3"},
      {R"({"messages": [{"role": "assistant", "content": null}]})",
       "messages[0]: content: expected a string, found null"},
      {R"({"conversations": [{"from": "function_call", "value": "call w"}]})",
       "conversations[0]: value: malformed JSON"},
      {R"({"prompt": "a", "completion": 3})",
       "completion: expected a string, found 3"},
      {R"({"input_ids": [1, 2], "attention_mask": [1]})",
       "attention_mask: expected 2 entries, as in input_ids, found 1"},
      {R"({"input_ids": [1], "attention_mask": [2]})",
       "attention_mask[0]: expected 0 or 1, found 2"},
      {R"({"input_ids": "1"})",
       "input_ids: expected an array of token ids, found a JSON string"},
      {R"({"input_ids": [1, 100]})",
       "input_ids[1]: expected a token id from 0 to 99, found 100"},
      {R"({"input_ids": [-1]})",
       "input_ids[0]: expected a token id from 0 to 99, found -1"},
      {R"({"input_ids": [-100]})",
       "input_ids[0]: expected a token id from 0 to 99, found -100"},
      {R"({"input_ids": [1.0]})",
       "input_ids[0]: expected a token id from 0 to 99, found 1.0"},
      {R"({"input_ids": [18446744073709551615]})",
       "input_ids[0]: expected a token id from 0 to 99, found "
       "18446744073709551615"},
      {R"({"input_ids": [4294967297]})",
       "input_ids[0]: expected a token id from 0 to 99, found 4294967297"},
      {R"({"input_ids": [[1]]})",
       "input_ids[0]: expected a token id from 0 to 99, found a JSON array"},
      {R"({"input_ids": [1, 2], "labels": [1]})",
       "labels: expected 2 entries, as in input_ids, found 1"},
      {R"({"input_ids": [1], "labels": [-99]})",
       "labels[0]: expected a token id from 0 to 99, or -100, found -99"},
      {R"({"input_ids": [1], "labels": [null]})",
       "labels[0]: expected a token id from 0 to 99, or -100, found null"},
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
  EXPECT_THAT(
      ParseRecord(deep, kVocabSize),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested deeper")));
}

}  // namespace
}  // namespace moe::text
