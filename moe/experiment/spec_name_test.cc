#include "moe/experiment/spec_name.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(CheckSpecNameTest, TakesNamesOfDirectoriesAndTargets) {
  for (const char* const name : {"a", "gsp_vanilla", "llama_gqa_bf16"}) {
    EXPECT_THAT(CheckSpecName(name, "name"), IsOk()) << name;
  }
  EXPECT_THAT(CheckSpecName(std::string(64, 'a'), "name"), IsOk());
}

TEST(CheckSpecNameTest, RefusesOthersWithTheField) {
  for (const std::string& name :
       {std::string(), std::string(65, 'a'), std::string("7a"),
        std::string("A"), std::string("a b"), std::string("../a"),
        std::string("a.b"), std::string("_a")}) {
    EXPECT_THAT(CheckSpecName(name, "model"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("model is \"" + name + "\""),
                               HasSubstr("lower-case letters"))));
  }
}

}  // namespace
}  // namespace moe
