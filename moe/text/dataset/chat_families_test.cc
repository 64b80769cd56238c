#include "moe/text/dataset/chat_families.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/record.h"
#include "moe/text/dataset/rendered_chat.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<RenderedChat> Render(TokenizeOptions::ChatTemplate kind,
                                    const Conversation& chat) {
  return ChatRenderer::Create(FamilyTemplate(kind),
                              {{"bos_token", "<s>"}, {"eos_token", "</s>"}})
      .value()
      .Render(chat);
}

// The forms that the families' own models were trained with.
TEST(ChatFamiliesTest, WriteAsTheirModelsRead) {
  const Conversation chat{{{Role::kSystem, "S"},
                           {Role::kUser, "u1"},
                           {Role::kAssistant, "a1"},
                           {Role::kUser, "u2"},
                           {Role::kAssistant, "a2"}}};
  const std::pair<TokenizeOptions::ChatTemplate, const char*> kCases[] = {
      {TokenizeOptions::LLAMA2,
       "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nu1 [/INST] a1 </s>"
       "<s>[INST] u2 [/INST] a2 </s>"},
      {TokenizeOptions::MISTRAL,
       "<s> [INST] S\n\nu1 [/INST] a1</s> [INST] u2 [/INST] a2</s>"},
      {TokenizeOptions::ZEPHYR,
       "<|system|>\nS</s>\n<|user|>\nu1</s>\n<|assistant|>\na1</s>\n"
       "<|user|>\nu2</s>\n<|assistant|>\na2</s>\n"},
      {TokenizeOptions::VICUNA,
       "<s>S USER: u1 ASSISTANT: a1</s>USER: u2 ASSISTANT: a2</s>"},
      {TokenizeOptions::ALPACA,
       "<s>S\n\n### Instruction:\nu1\n\n### Response:\na1</s>\n\n"
       "### Instruction:\nu2\n\n### Response:\na2</s>\n\n"},
      {TokenizeOptions::PHI3,
       "<|system|>\nS<|end|>\n<|user|>\nu1<|end|>\n<|assistant|>\na1<|end|>\n"
       "<|user|>\nu2<|end|>\n<|assistant|>\na2<|end|>\n</s>"},
  };
  for (const auto& [kind, want] : kCases) {
    MOE_ASSERT_OK_AND_ASSIGN(const RenderedChat rendered, Render(kind, chat));
    EXPECT_EQ(rendered.text, want);
    ASSERT_EQ(rendered.spans.size(), 2);
    EXPECT_EQ(rendered.text.substr(rendered.spans[1].first, 2), "a2");
  }
  MOE_ASSERT_OK_AND_ASSIGN(
      const RenderedChat gemma,
      Render(TokenizeOptions::GEMMA,
             {{{Role::kUser, "u1"}, {Role::kAssistant, "a1"}}}));
  EXPECT_EQ(gemma.text,
            "<s><start_of_turn>user\nu1<end_of_turn>\n"
            "<start_of_turn>model\na1<end_of_turn>\n");
  EXPECT_THAT(Render(TokenizeOptions::GEMMA, chat).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("gemma has no rule for the role system")));
}

TEST(ChatFamiliesTest, VicunaHasASystemTextOfItsOwn) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const RenderedChat rendered,
      Render(TokenizeOptions::VICUNA,
             {{{Role::kUser, "u1"}, {Role::kAssistant, "a1"}}}));
  EXPECT_EQ(rendered.text,
            "<s>A chat between a curious user and an artificial intelligence "
            "assistant. The assistant gives helpful, detailed, and polite "
            "answers to the user's questions. USER: u1 ASSISTANT: a1</s>");
}

TEST(ChatFamiliesTest, WhiteSpaceIsTakenWhereTheFamilyTakesIt) {
  const Conversation chat{{{Role::kSystem, " S "},
                           {Role::kUser, " u1 "},
                           {Role::kAssistant, " a1 "}}};
  const std::pair<TokenizeOptions::ChatTemplate, const char*> kCases[] = {
      {TokenizeOptions::LLAMA2,
       "<s>[INST] <<SYS>>\n S \n<</SYS>>\n\n u1 [/INST] a1 </s>"},
      {TokenizeOptions::MISTRAL, "<s> [INST]  S \n\n u1  [/INST]  a1 </s>"},
      {TokenizeOptions::ALPACA,
       "<s>S\n\n### Instruction:\nu1\n\n### Response:\na1</s>\n\n"},
  };
  for (const auto& [kind, want] : kCases) {
    MOE_ASSERT_OK_AND_ASSIGN(const RenderedChat rendered, Render(kind, chat));
    EXPECT_EQ(rendered.text, want);
  }
}

TEST(ChatFamiliesTest, OtherKindsAreNoFamilies) {
  for (const auto kind :
       {TokenizeOptions::AUTO, TokenizeOptions::LLAMA3, TokenizeOptions::CHATML,
        TokenizeOptions::NONE, TokenizeOptions::CHECKPOINT}) {
    EXPECT_EQ(FamilyTemplate(kind), "");
  }
}

}  // namespace
}  // namespace moe::text
