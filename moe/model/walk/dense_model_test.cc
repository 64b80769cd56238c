#include "moe/model/walk/dense_model.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/model/walk/testing/walk_fixture.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::MoeFixturePath;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(DenseModelTest, IsAModelWithoutExperts) {
  MOE_ASSERT_OK_AND_ASSIGN(const DenseModel model,
                           DenseModel::Open(FixturePath("llama_gqa_bf16")));
  EXPECT_EQ(model.moe_config(), nullptr);
  EXPECT_EQ(model.config().hidden_size, 128);
}

TEST(DenseModelTest, RefusesExperts) {
  EXPECT_THAT(
      DenseModel::Open(MoeFixturePath("vanilla")).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("testdata/moe/vanilla"),
                     HasSubstr(
                         "expected a dense checkpoint, found a Mixture-of-"))));
}

}  // namespace
}  // namespace moe::model
