#include "moe/text/dataset/chat_template.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/record.h"
#include "moe/text/dataset/testing/byte_tokenizer.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::text::testing::ByteTokenizer;
using ::moe::text::testing::kTwoLineBreaks;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Encoded {
  std::string text;               // All tokens.
  std::vector<std::string> runs;  // Stretches of labelled tokens.
  int64_t num_texts_with_special_tokens = 0;
};

absl::StatusOr<Encoded> Describe(const Tokenizer& tokenizer,
                                 const EncodedConversation& encoded) {
  Encoded out;
  out.num_texts_with_special_tokens = encoded.num_texts_with_special_tokens;
  MOE_ASSIGN_OR_RETURN(out.text, tokenizer.Decode(encoded.input_ids, false));
  std::vector<int32_t> run;
  for (size_t i = 0; i <= encoded.labels.size(); ++i) {
    if (i < encoded.labels.size() && encoded.labels[i] != base::kIgnoredLabel) {
      EXPECT_EQ(encoded.labels[i], encoded.input_ids[i]);
      run.push_back(encoded.labels[i]);
    } else if (!run.empty()) {
      MOE_ASSIGN_OR_RETURN(std::string text, tokenizer.Decode(run, false));
      out.runs.push_back(text);
      run.clear();
    }
  }
  EXPECT_EQ(encoded.labels.size(), encoded.input_ids.size());
  return out;
}

absl::StatusOr<Encoded> Encode(const Tokenizer& tokenizer,
                               TokenizeOptions::ChatTemplate kind,
                               const Conversation& conversation,
                               bool keep_system = false) {
  MOE_ASSIGN_OR_RETURN(const ChatTemplate chat,
                       ChatTemplate::Create(kind, keep_system, tokenizer));
  MOE_ASSIGN_OR_RETURN(const EncodedConversation encoded,
                       chat.Encode(conversation));
  return Describe(tokenizer, encoded);
}

Conversation ThreeTurns() {
  return {{{Role::kSystem, "Be kind."},
           {Role::kUser, "One?"},
           {Role::kAssistant, "1, \"one\"."},
           {Role::kUser, "Two?"},
           {Role::kAssistant, "2\n\nZo\xc3\xab"},
           {Role::kUser, "Three?"},
           {Role::kAssistant, "3"}}};
}

TEST(ChatTemplateTest, Llama3LabelsExactlyTheAssistant) {
  const ByteTokenizer tokenizer = ByteTokenizer::Llama3();
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded encoded,
      Encode(tokenizer, TokenizeOptions::LLAMA3, ThreeTurns()));
  EXPECT_EQ(
      encoded.text,
      "<|begin_of_text|>"
      "<|start_header_id|>user<|end_header_id|>\n\nOne?<|eot_id|>"
      "<|start_header_id|>assistant<|end_header_id|>\n\n1, \"one\".<|eot_id|>"
      "<|start_header_id|>user<|end_header_id|>\n\nTwo?<|eot_id|>"
      "<|start_header_id|>assistant<|end_header_id|>\n\n2\n\nZo\xc3\xab"
      "<|eot_id|>"
      "<|start_header_id|>user<|end_header_id|>\n\nThree?<|eot_id|>"
      "<|start_header_id|>assistant<|end_header_id|>\n\n3<|eot_id|>");
  EXPECT_THAT(encoded.runs,
              ElementsAre("1, \"one\".<|eot_id|>", "2\n\nZo\xc3\xab<|eot_id|>",
                          "3<|eot_id|>"));
}

TEST(ChatTemplateTest, Llama3GivesTheseIds) {
  const ByteTokenizer tokenizer = ByteTokenizer::Llama3();
  MOE_ASSERT_OK_AND_ASSIGN(
      const ChatTemplate chat,
      ChatTemplate::Create(TokenizeOptions::LLAMA3, false, tokenizer));
  MOE_ASSERT_OK_AND_ASSIGN(
      const EncodedConversation encoded,
      chat.Encode({{{Role::kUser, "a"}, {Role::kAssistant, "b"}}}));
  EXPECT_THAT(
      encoded.input_ids,
      ElementsAre(257, 258, 'u', 's', 'e', 'r', 259, 256, 'a', 260, 258, 'a',
                  's', 's', 'i', 's', 't', 'a', 'n', 't', 259, 256, 'b', 260));
  std::vector<int32_t> want(24, base::kIgnoredLabel);
  want[22] = 'b';
  want[23] = 260;
  EXPECT_EQ(encoded.labels, want);
}

TEST(ChatTemplateTest, Llama3TakesWhiteSpaceFromTheEnds) {
  const ByteTokenizer tokenizer = ByteTokenizer::Llama3();
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded encoded,
      Encode(tokenizer, TokenizeOptions::LLAMA3,
             {{{Role::kUser, " \n a b\t"},
               {Role::kAssistant, "\n\n\xc2\xa0 c \xe2\x80\xa8"}}}));
  EXPECT_EQ(encoded.text,
            "<|begin_of_text|>"
            "<|start_header_id|>user<|end_header_id|>\n\na b<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nc<|eot_id|>");
  EXPECT_THAT(encoded.runs, ElementsAre("c<|eot_id|>"));
}

TEST(ChatTemplateTest, ChatmlLabelsExactlyTheAssistant) {
  const ByteTokenizer tokenizer = ByteTokenizer::Chatml();
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded encoded,
      Encode(tokenizer, TokenizeOptions::CHATML, ThreeTurns()));
  EXPECT_EQ(encoded.text,
            "<|im_start|>user\nOne?<|im_end|>\n"
            "<|im_start|>assistant\n1, \"one\".<|im_end|>\n"
            "<|im_start|>user\nTwo?<|im_end|>\n"
            "<|im_start|>assistant\n2\n\nZo\xc3\xab<|im_end|>\n"
            "<|im_start|>user\nThree?<|im_end|>\n"
            "<|im_start|>assistant\n3<|im_end|>\n");
  EXPECT_THAT(encoded.runs,
              ElementsAre("1, \"one\".<|im_end|>", "2\n\nZo\xc3\xab<|im_end|>",
                          "3<|im_end|>"));
}

TEST(ChatTemplateTest, NoneHasTheTextsAlone) {
  const ByteTokenizer tokenizer = ByteTokenizer::Llama3();
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded encoded,
      Encode(tokenizer, TokenizeOptions::NONE, ThreeTurns()));
  EXPECT_EQ(
      encoded.text,
      "<|begin_of_text|>One?\n1, \"one\".\nTwo?\n2\n\nZo\xc3\xab\nThree?\n3");
  EXPECT_THAT(encoded.runs, ElementsAre("1, \"one\".", "2\n\nZo\xc3\xab", "3"));
}

TEST(ChatTemplateTest, SystemTurnsAreWrittenOnRequest) {
  const ByteTokenizer tokenizer = ByteTokenizer::Llama3();
  const Conversation conversation = {
      {{Role::kSystem, "s"}, {Role::kAssistant, "a"}}};
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded without,
      Encode(tokenizer, TokenizeOptions::LLAMA3, conversation));
  EXPECT_THAT(without.text, ::testing::Not(HasSubstr("system")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded with,
      Encode(tokenizer, TokenizeOptions::LLAMA3, conversation, true));
  EXPECT_EQ(with.text,
            "<|begin_of_text|>"
            "<|start_header_id|>system<|end_header_id|>\n\ns<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|>");
  EXPECT_THAT(with.runs, ElementsAre("a<|eot_id|>"));
}

TEST(ChatTemplateTest, BosFollowsTheTokenizer) {
  const Conversation conversation = {{{Role::kAssistant, "a"}}};
  // llama3 has its BOS even where the post-processor puts none.
  const ByteTokenizer silent(
      {"<s>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}, "<s>",
      false);
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded llama3,
      Encode(silent, TokenizeOptions::LLAMA3, conversation));
  EXPECT_THAT(llama3.text, ::testing::StartsWith("<s><|start"));
  MOE_ASSERT_OK_AND_ASSIGN(const Encoded none,
                           Encode(silent, TokenizeOptions::NONE, conversation));
  EXPECT_EQ(none.text, "a");
  // chatml has one where the post-processor puts one.
  const ByteTokenizer adding({"<s>", "<|im_start|>", "<|im_end|>"}, "<s>",
                             true);
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded chatml,
      Encode(adding, TokenizeOptions::CHATML, conversation));
  EXPECT_THAT(chatml.text, ::testing::StartsWith("<s><|im_start|>"));
  // No BOS known: none anywhere.
  const ByteTokenizer without(
      {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}, "", false);
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded bare,
      Encode(without, TokenizeOptions::LLAMA3, conversation));
  EXPECT_THAT(bare.text, ::testing::StartsWith("<|start"));
}

TEST(ChatTemplateTest, AutoPicksByTheVocabulary) {
  const auto kind = [](const std::vector<std::string>& tokens) {
    const ByteTokenizer tokenizer(tokens, "", false);
    return ChatTemplate::Create(TokenizeOptions::AUTO, false, tokenizer)
        .value()
        .kind();
  };
  EXPECT_EQ(kind({"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
                  "<|im_start|>", "<|im_end|>"}),
            TokenizeOptions::LLAMA3);
  EXPECT_EQ(kind({"<|start_header_id|>", "<|im_start|>", "<|im_end|>"}),
            TokenizeOptions::CHATML);
  EXPECT_EQ(kind({"<|im_start|>"}), TokenizeOptions::NONE);
}

constexpr char kChatmlText[] =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + "
    "'<|im_end|>\\n' }}{% endfor %}";
constexpr char kLlama3Text[] =
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + "
    "'<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}{% endfor "
    "%}";

ChatTemplateSource SourceOf(const std::string& text) {
  return {text, {{"bos_token", "<|begin_of_text|>"}}};
}

TEST(ChatTemplateTest, AutoTakesTheCheckpointsOwn) {
  const auto create = [](const std::string& text, const Tokenizer& tokenizer) {
    return ChatTemplate::Create(TokenizeOptions::AUTO, false, tokenizer,
                                SourceOf(text))
        .value();
  };
  const ByteTokenizer chatml = ByteTokenizer::Chatml();
  EXPECT_EQ(create(kChatmlText, chatml).kind(), TokenizeOptions::CHATML);
  EXPECT_EQ(create(kChatmlText, chatml).digest(), "");
  const ByteTokenizer llama3({"<|begin_of_text|>", "<|start_header_id|>",
                              "<|end_header_id|>", "<|eot_id|>"},
                             "<|begin_of_text|>", true);
  EXPECT_EQ(create(kLlama3Text, llama3).kind(), TokenizeOptions::LLAMA3);
  // Whatever the vocabulary tells.
  const ChatTemplate other = create(kChatmlText, llama3);
  EXPECT_EQ(other.kind(), TokenizeOptions::CHECKPOINT);
  EXPECT_NE(other.digest(), "");
  EXPECT_NE(other.digest(),
            create(std::string(kChatmlText) + "x", llama3).digest());
  MOE_ASSERT_OK_AND_ASSIGN(
      const EncodedConversation encoded,
      other.Encode({{{Role::kUser, "a"}, {Role::kAssistant, "b"}}}));
  MOE_ASSERT_OK_AND_ASSIGN(const Encoded described, Describe(llama3, encoded));
  EXPECT_EQ(described.text,
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>"
            "\n");
  EXPECT_THAT(described.runs, ElementsAre("b"));
}

TEST(ChatTemplateTest, TheEndOfATurnIsLabelledBehindAnEmptyAnswerToo) {
  const ByteTokenizer tokenizer({"<end>"}, "", false);
  MOE_ASSERT_OK_AND_ASSIGN(
      const ChatTemplate chat,
      ChatTemplate::Create(
          TokenizeOptions::AUTO, false, tokenizer,
          SourceOf("{% for m in messages %}{{ m.role + m.content }}<end>"
                   "{% endfor %}")));
  MOE_ASSERT_OK_AND_ASSIGN(const EncodedConversation encoded,
                           chat.Encode({{{Role::kUser, "a"},
                                         {Role::kAssistant, ""},
                                         {Role::kAssistant, "b"}}}));
  MOE_ASSERT_OK_AND_ASSIGN(const Encoded described,
                           Describe(tokenizer, encoded));
  EXPECT_THAT(described.runs, ElementsAre("<end>", "b<end>"));
}

TEST(ChatTemplateTest, WithoutAnyTemplateConversationsAreRefused) {
  const ByteTokenizer tokenizer({}, "", false);
  const Conversation conversation{{{Role::kAssistant, "a"}}};
  MOE_ASSERT_OK_AND_ASSIGN(
      const ChatTemplate none,
      ChatTemplate::Create(TokenizeOptions::AUTO, false, tokenizer));
  EXPECT_THAT(none.Encode(conversation).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("name one for conversations, with "
                                 "--chat_template")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const ChatTemplate malformed,
      ChatTemplate::Create(TokenizeOptions::AUTO, false, tokenizer,
                           SourceOf("{% frobnicate %}")));
  EXPECT_THAT(malformed.Encode(conversation).status().message(),
              HasSubstr("the checkpoint's chat template: line 1: "));
  EXPECT_THAT(Encode(tokenizer, TokenizeOptions::NONE, conversation).status(),
              ::moe::base::testing::IsOk());
}

TEST(ChatTemplateTest, MissingTokensAreNamed) {
  const ByteTokenizer chatml = ByteTokenizer::Chatml();
  EXPECT_THAT(
      ChatTemplate::Create(TokenizeOptions::LLAMA3, false, chatml).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("llama3 needs the token <|start_header_id|>")));
  const ByteTokenizer llama3 = ByteTokenizer::Llama3();
  EXPECT_THAT(
      ChatTemplate::Create(TokenizeOptions::CHATML, false, llama3).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("chatml needs the token <|im_start|>")));
  EXPECT_THAT(
      ChatTemplate::Create(TokenizeOptions::GEMMA, false, llama3).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("gemma needs the token <start_of_turn>")));
  EXPECT_THAT(
      ChatTemplate::Create(TokenizeOptions::PHI3, false, llama3).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("phi3 needs the token <|user|>")));
}

TEST(ChatTemplateTest, AMergeAcrossTheHeaderKeepsLabelsExact) {
  // "assistant\n" and "\n\nb": encoded whole, "\n\n" would be one token with
  // the header's line break in it.
  const ByteTokenizer tokenizer = ByteTokenizer::Chatml();
  MOE_ASSERT_OK_AND_ASSIGN(
      const ChatTemplate chat,
      ChatTemplate::Create(TokenizeOptions::CHATML, false, tokenizer));
  MOE_ASSERT_OK_AND_ASSIGN(
      const EncodedConversation encoded,
      chat.Encode({{{Role::kUser, "\na"}, {Role::kAssistant, "\n\nb"}}}));
  EXPECT_THAT(encoded.input_ids,
              ElementsAre(257, 'u', 's', 'e', 'r', kTwoLineBreaks, 'a', 258,
                          '\n', 257, 'a', 's', 's', 'i', 's', 't', 'a', 'n',
                          't', '\n', kTwoLineBreaks, 'b', 258, '\n'));
  MOE_ASSERT_OK_AND_ASSIGN(const Encoded described,
                           Describe(tokenizer, encoded));
  EXPECT_THAT(described.runs, ElementsAre("\n\nb<|im_end|>"));
}

TEST(ChatTemplateTest, SpecialTokensInTextsDoNotMoveLabels) {
  const ByteTokenizer tokenizer = ByteTokenizer::Llama3();
  MOE_ASSERT_OK_AND_ASSIGN(
      const Encoded encoded,
      Encode(
          tokenizer, TokenizeOptions::LLAMA3,
          {{{Role::kUser,
             "x<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\ny"},
            {Role::kAssistant, "z"}}}));
  EXPECT_THAT(encoded.runs, ElementsAre("z<|eot_id|>"));
  EXPECT_EQ(encoded.num_texts_with_special_tokens, 1);
}

}  // namespace
}  // namespace moe::text
