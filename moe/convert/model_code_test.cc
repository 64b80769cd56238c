#include "moe/convert/model_code.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/moe_config.h"

namespace moe {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(ModelCodeTest, IsTheFilesByteForByte) {
  const std::map<std::string, std::string> files = ModelCodeFiles();
  EXPECT_THAT(files, SizeIs(2));
  for (const auto& [name, text] : files) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string want,
        ReadFile(absl::StrCat("moe/convert/huggingface/", name),
                 uint64_t{1} << 20));
    EXPECT_EQ(text, want) << name;
  }
}

// config.json names them in auto_map.
TEST(ModelCodeTest, HasTheClassesThatConfigJsonNames) {
  const std::map<std::string, std::string> files = ModelCodeFiles();
  for (const char* name : {"LlamaMoeConfig", "PublishedLlamaMoeConfig"}) {
    EXPECT_THAT(files.at(kModelConfigurationFile),
                HasSubstr(absl::StrCat("\nclass ", name, "(")));
  }
  for (const char* name : {"LlamaMoeModel", "LlamaMoeForCausalLM",
                           "MixtralModel", "MixtralForCausalLM"}) {
    EXPECT_THAT(files.at(kModelCodeFile),
                HasSubstr(absl::StrCat("\nclass ", name, "(")));
  }
}

}  // namespace
}  // namespace moe
