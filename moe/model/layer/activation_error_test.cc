#include "moe/model/layer/activation_error.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;

TEST(ActivationErrorTest, NamesTheSequenceAndThePosition) {
  // Sequence 1 is empty.
  const std::vector<int64_t> offsets = {0, 3, 3, 8};
  EXPECT_THAT(NonFiniteActivationError({"MLP activation", offsets, 2, 36, 37}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "MLP activation of sequence 0, position 2, feature 36 "
                       "of 37: NaN or infinity; the weights drive float32 out "
                       "of its range"));
  EXPECT_THAT(
      NonFiniteActivationError({"logits", offsets, 3, 0, 5,
                                /*first_sequence=*/100}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "logits of sequence 102, position 0, feature 0 of 5: NaN "
               "or infinity; the weights drive float32 out of its "
               "range"));
}

}  // namespace
}  // namespace moe::model
