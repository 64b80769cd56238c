#include "moe/reconstruct/refitted_weights.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/tensor_name.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RefittedWeightsTest, GivesBackWhatItWasGiven) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(RefittedWeights weights,
                           RefittedWeights::Create(directory.path(), 9));
  const checkpoint::TensorName first = {checkpoint::TensorKind::kExpertDown, 1,
                                        2};
  const checkpoint::TensorName second = {checkpoint::TensorKind::kExpertDown, 1,
                                         0};
  const checkpoint::TensorName third = {checkpoint::TensorKind::kOutput, 0};
  MOE_ASSERT_OK(weights.Put(first, std::string("a\0cd", 4)));
  MOE_ASSERT_OK(weights.Put(second, "efg"));
  EXPECT_FALSE(weights.Has(third));
  MOE_ASSERT_OK(weights.Put(third, "hi"));
  const RefittedWeights moved = std::move(weights);
  EXPECT_THAT(moved.Read(second), IsOkAndHolds("efg"));
  EXPECT_THAT(moved.Read(first), IsOkAndHolds(std::string("a\0cd", 4)));
  EXPECT_THAT(moved.Read(third), IsOkAndHolds("hi"));
  EXPECT_TRUE(moved.Has(first));
  EXPECT_FALSE(moved.Has({checkpoint::TensorKind::kExpertDown, 2, 2}));
  EXPECT_FALSE(
      moved.Has({checkpoint::TensorKind::kExpertDown, 1, 2, /*is_bias=*/true}));
  // The file has no name.
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(RefittedWeightsTest, SaysWhereItCannotWrite) {
  const TempDirectory directory;
  EXPECT_THAT(
      RefittedWeights::Create(directory.Path("none"), 9).status(),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr(directory.Path("none"))));
}

}  // namespace
}  // namespace moe::reconstruct
