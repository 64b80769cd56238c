#include "moe/text/dataset/encode_record.h"

#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/chat_template.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/record.h"
#include "moe/text/dataset/testing/byte_tokenizer.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::text::testing::ByteTokenizer;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class EncodeRecordTest : public ::testing::Test {
 protected:
  ByteTokenizer tokenizer_ = ByteTokenizer::Llama3();
  ChatTemplate chat_ =
      ChatTemplate::Create(TokenizeOptions::LLAMA3, false, tokenizer_).value();
  RecordEncoder encoder_ = {&tokenizer_, &chat_, 100};
};

TEST_F(EncodeRecordTest, EveryTokenOfATextIsALabel) {
  MOE_ASSERT_OK_AND_ASSIGN(const EncodedRecord encoded,
                           EncodeRecord(encoder_, PlainText{"ab"}));
  EXPECT_THAT(encoded.input_ids, ElementsAre(257, 'a', 'b'));
  EXPECT_EQ(encoded.labels, encoded.input_ids);
  EXPECT_EQ(encoded.num_truncated_tokens, 0);
}

TEST_F(EncodeRecordTest, TokenIdsStayAsTheyAre) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const EncodedRecord encoded,
      EncodeRecord({nullptr, nullptr, 2}, TokenIds{{5, 6, 7}, {-100, 6, 7}}));
  EXPECT_THAT(encoded.input_ids, ElementsAre(5, 6));
  EXPECT_THAT(encoded.labels, ElementsAre(-100, 6));
  EXPECT_EQ(encoded.num_truncated_tokens, 1);
}

TEST_F(EncodeRecordTest, ASequenceThatLosesItsLabelsIsKept) {
  encoder_.model_max_length = 8;
  MOE_ASSERT_OK_AND_ASSIGN(
      const EncodedRecord encoded,
      EncodeRecord(encoder_, Conversation{{{Role::kUser, "a"},
                                           {Role::kAssistant, "b"}}}));
  EXPECT_THAT(encoded.input_ids,
              ElementsAre(257, 258, 'u', 's', 'e', 'r', 259, 256));
  EXPECT_THAT(encoded.labels, Each(base::kIgnoredLabel));
  EXPECT_EQ(encoded.labels.size(), 8);
  EXPECT_EQ(encoded.num_truncated_tokens, 16);  // 24 - 8
}

// With a tokenizer that puts a BOS before a text as with one that does not.
TEST_F(EncodeRecordTest, AnEmptyRecordGivesNoToken) {
  const ByteTokenizer chatml = ByteTokenizer::Chatml();
  const ChatTemplate chat =
      ChatTemplate::Create(TokenizeOptions::CHATML, false, chatml).value();
  for (const RecordEncoder& encoder :
       {encoder_, RecordEncoder{&chatml, &chat, 100}}) {
    for (const Record& record :
         {Record(PlainText{""}), Record(Conversation{}), Record(TokenIds{})}) {
      MOE_ASSERT_OK_AND_ASSIGN(const EncodedRecord encoded,
                               EncodeRecord(encoder, record));
      EXPECT_THAT(encoded.input_ids, IsEmpty());
      EXPECT_THAT(encoded.labels, IsEmpty());
    }
  }
}

TEST_F(EncodeRecordTest, ATemplateWithoutARuleForToolsRefusesThem) {
  for (const Turn& turn :
       {Turn{Role::kTool, "sun", ""}, Turn{Role::kAssistant, "", "[{}]"}}) {
    EXPECT_THAT(
        EncodeRecord(encoder_, Conversation{{{Role::kUser, "a"}, turn}}),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr("turn 1 is a tool")));
  }
}

TEST_F(EncodeRecordTest, TextWantsATokenizer) {
  EXPECT_THAT(EncodeRecord({nullptr, nullptr, 100}, PlainText{"a"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("there is no tokenizer")));
}

}  // namespace
}  // namespace moe::text
