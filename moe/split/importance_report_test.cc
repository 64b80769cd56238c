#include "moe/split/importance_report.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/split/importance_sums.h"

namespace moe {
namespace {

using ::testing::HasSubstr;

TEST(ImportanceReportTest, NamesEmptyClusters) {
  ThreadPool pool(1);
  ImportanceSums sums({1, 3, 2});
  const std::vector<float> products = {-1.0f, 2.0f};
  const std::vector<int32_t> clusters = {1};
  MOE_ASSERT_OK(sums.layer(0).Add(
      0, MatrixView<const float>(products.data(), 1, 2), clusters, {}, pool));
  const std::vector<float> losses = {1.5f, 1.0f};
  MOE_ASSERT_OK(
      sums.loss().Add(0, MatrixView<const float>(losses.data(), 1, 2), pool));
  MOE_ASSERT_OK(sums.Finish());
  EXPECT_EQ(ImportanceReportToJson(sums, sums.Scores()).dump(),
            R"({"num_clusters":3,"loss":1.5,"num_predicted_tokens":1,)"
            R"("layers":[{"layer":0,"token_counts":[0,1,0],)"
            R"("empty_clusters":[0,2],"mean_score":0.5,"max_score":2.0}]})");
  const std::string table = FormatImportanceReport(sums, sums.Scores());
  EXPECT_THAT(table, HasSubstr("1.500000"));
  EXPECT_THAT(table, HasSubstr("0..1"));
}

}  // namespace
}  // namespace moe
