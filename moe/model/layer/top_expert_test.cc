#include "moe/model/layer/top_expert.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::Status TopExpertsOf(const std::vector<float>& x,
                          const std::vector<float>& router,
                          std::vector<int32_t>& experts) {
  base::ThreadPool pool(2);
  const auto rows_of = [](const std::vector<float>& values) {
    return static_cast<int64_t>(values.size()) / 2;
  };
  experts.resize(x.size() / 2);
  return TopExperts(
      base::MatrixView<const float>(x.data(), rows_of(x), 2, 2),
      kernels::PackedMatrix::Pack(
          base::MatrixView<const float>(router.data(), rows_of(router), 2, 2),
          pool),
      /*first_token=*/100, absl::MakeSpan(experts), pool);
}

TEST(TopExpertsTest, TakesTheLargestProductAndTheLowestOfEqualOnes) {
  std::vector<int32_t> experts;
  // Products: (0, 1, 1), (2, 0, 0), (-1, -2, -2), (0, 0, 0).
  MOE_ASSERT_OK(
      TopExpertsOf({0, 1, 2, 0, -1, -2, 0, 0}, {1, 0, 0, 1, 0, 1}, experts));
  EXPECT_THAT(experts, ElementsAre(1, 0, 0, 0));
}

TEST(TopExpertsTest, RefusesProductsThatAreNotFinite) {
  std::vector<int32_t> experts;
  EXPECT_THAT(
      TopExpertsOf({1, 1, 3e38f, 3e38f}, {1, 0, 2, 1}, experts),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("token 101: product with the router weights of expert "
                         "1: expected a finite number, found inf")));
}

}  // namespace
}  // namespace moe::model
