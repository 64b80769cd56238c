// The ids and labels of transformers' apply_chat_template, with real
// tokenizers: see testdata/chat_templates/README.md.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/chat_template.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/record.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {
namespace {

class ChatTemplateGoldenTest : public ::testing::Test {
 protected:
  // Each tokenizer is loaded once.
  const Tokenizer& Named(const std::string& name) {
    std::unique_ptr<Tokenizer>& tokenizer = tokenizers_[name];
    if (tokenizer == nullptr) {
      tokenizer =
          LoadTokenizer(absl::StrCat("testdata/tokenizers/", name)).value();
    }
    return *tokenizer;
  }

  void Check(const base::Json& golden) {
    const Tokenizer& tokenizer = Named(golden["tokenizer"].get<std::string>());
    MOE_ASSERT_OK_AND_ASSIGN(
        const auto kind,
        ParseChatTemplateName(golden["chat_template"].get<std::string>()));
    MOE_ASSERT_OK_AND_ASSIGN(const ChatTemplate chat,
                             ChatTemplate::Create(kind, true, tokenizer));
    // The vocabulary says the same.
    MOE_ASSERT_OK_AND_ASSIGN(
        const ChatTemplate automatic,
        ChatTemplate::Create(TokenizeOptions::AUTO, true, tokenizer));
    EXPECT_EQ(automatic.kind(), kind);
    MOE_ASSERT_OK_AND_ASSIGN(
        const Record record,
        ParseRecord(base::Json{{"messages", golden["messages"]}}.dump(),
                    tokenizer.vocab_size()));
    MOE_ASSERT_OK_AND_ASSIGN(const EncodedConversation encoded,
                             chat.Encode(std::get<Conversation>(record)));
    EXPECT_EQ(encoded.input_ids,
              golden["input_ids"].get<std::vector<int32_t>>());
    EXPECT_EQ(encoded.labels, golden["labels"].get<std::vector<int32_t>>());
  }

 private:
  std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers_;
};

TEST_F(ChatTemplateGoldenTest, IdsAndLabelsAreThoseOfTransformers) {
  MOE_ASSERT_OK_AND_ASSIGN(
      LineReader reader,
      LineReader::Open("testdata/chat_templates/golden.jsonl"));
  int num_cases = 0;
  while (true) {
    MOE_ASSERT_OK_AND_ASSIGN(const std::optional<Line> line, reader.Next());
    if (!line.has_value()) break;
    SCOPED_TRACE(line->text);
    MOE_ASSERT_OK_AND_ASSIGN(const base::Json golden,
                             base::ParseJson(line->text));
    Check(golden);
    ++num_cases;
  }
  EXPECT_EQ(num_cases, 94);
}

// The labelled tokens decode to the assistant's texts and nothing else.
TEST_F(ChatTemplateGoldenTest, LabelsOfThreeTurnsDecodeToTheAssistantsTexts) {
  const Conversation conversation = {{{Role::kUser, "One?"},
                                      {Role::kAssistant, "It is 1, \"one\"."},
                                      {Role::kUser, "Two?"},
                                      {Role::kAssistant, "2\n\nZo\xc3\xab!"},
                                      {Role::kUser, "Three?"},
                                      {Role::kAssistant, "three"}}};
  const std::pair<std::string, std::string> kTokenizers[] = {
      {"llama3_style", "<|eot_id|>"}, {"smollm2_style", "<|im_end|>"}};
  for (const auto& [name, end] : kTokenizers) {
    const Tokenizer& tokenizer = Named(name);
    MOE_ASSERT_OK_AND_ASSIGN(
        const ChatTemplate chat,
        ChatTemplate::Create(TokenizeOptions::AUTO, false, tokenizer));
    MOE_ASSERT_OK_AND_ASSIGN(const EncodedConversation encoded,
                             chat.Encode(conversation));
    std::vector<int32_t> labelled;
    for (const int32_t label : encoded.labels) {
      if (label != base::kIgnoredLabel) labelled.push_back(label);
    }
    EXPECT_THAT(
        tokenizer.Decode(labelled, false),
        ::moe::base::testing::IsOkAndHolds(absl::StrCat(
            "It is 1, \"one\".", end, "2\n\nZo\xc3\xab!", end, "three", end)));
  }
}

}  // namespace
}  // namespace moe::text
