#include "moe/checkpoint/path_fields.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::checkpoint {
namespace {

using ::testing::ElementsAre;

TEST(IsAbsolutePathTest, KnowsPathsOfAnyMachine) {
  for (const char* path :
       {"/home/ann/model", "/m", "~/model", "C:\\models", "d:/models",
        "\\\\host\\share", "file:///model", "FILE:model"}) {
    EXPECT_TRUE(IsAbsolutePath(path)) << path;
  }
}

TEST(IsAbsolutePathTest, NamesAreNone) {
  for (const char* name :
       {"", "/", "~", "meta-llama/Llama-2-7b", "./model", "model", "C:", "a:b",
        "</s>", "{% if a %}", "https://example.com/model"}) {
    EXPECT_FALSE(IsAbsolutePath(name)) << name;
  }
}

TEST(RemovePathFieldsTest, RemovesThemAndSaysWhich) {
  MOE_ASSERT_OK_AND_ASSIGN(
      base::Json object,
      base::ParseJsonObject(
          R"({"tokenizer_file": "/root/t.json", "a": 1, "eos_token": "/end",
              "name_or_path": "org/model", "cache_dir": "~/cache",
              "nested": {"token": "/in"}})"));
  EXPECT_THAT(RemovePathFields(object),
              ElementsAre("tokenizer_file", "cache_dir"));
  EXPECT_EQ(object.dump(),
            R"({"a":1,"eos_token":"/end","name_or_path":"org/model",)"
            R"("nested":{"token":"/in"}})");
  EXPECT_THAT(RemovePathFields(object), ElementsAre());
}

}  // namespace
}  // namespace moe::checkpoint
