#include "moe/text/dataset/chat_template_source.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::Pair;

TEST(ChatTemplateSourceTest, ACheckpointMayHaveNone) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(const ChatTemplateSource source,
                           LoadChatTemplate(directory.path()));
  EXPECT_EQ(source.text, std::nullopt);
  EXPECT_THAT(source.special_tokens, IsEmpty());
}

TEST(ChatTemplateSourceTest, TheFileComesBeforeTheField) {
  const TempDirectory directory;
  directory.Write("tokenizer_config.json",
                  R"({"chat_template": "field", "bos_token": "<s>",
                      "pad_token": null, "eos_token": {"content": "</s>"}})");
  MOE_ASSERT_OK_AND_ASSIGN(ChatTemplateSource source,
                           LoadChatTemplate(directory.path()));
  EXPECT_THAT(source.text, Optional(std::string("field")));
  EXPECT_THAT(source.special_tokens,
              ElementsAre(Pair("bos_token", "<s>"), Pair("eos_token", "</s>")));
  directory.Write("chat_template.jinja", "file");
  MOE_ASSERT_OK_AND_ASSIGN(source, LoadChatTemplate(directory.path()));
  EXPECT_THAT(source.text, Optional(std::string("file")));
}

TEST(ChatTemplateSourceTest, OfAListItTakesTheDefault) {
  const TempDirectory directory;
  directory.Write("tokenizer_config.json",
                  R"({"chat_template": [{"name": "tool_use", "template": "a"},
                                        {"name": "default", "template": "b"}]})");
  MOE_ASSERT_OK_AND_ASSIGN(const ChatTemplateSource source,
                           LoadChatTemplate(directory.path()));
  EXPECT_THAT(source.text, Optional(std::string("b")));
  directory.Write("tokenizer_config.json", R"({"chat_template": [{}]})");
  EXPECT_THAT(LoadChatTemplate(directory.path()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tokenizer_config.json: chat_template"),
                             HasSubstr("\"default\""))));
}

}  // namespace
}  // namespace moe::text
