#include "moe/align/distribution_report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/checkpoint/artifact/distribution.h"

namespace moe {
namespace {

using ::testing::HasSubstr;

TEST(DistributionReportTest, SummarizesEveryBlock) {
  Distribution distribution;
  distribution.layers.resize(2);
  distribution.layers[0].attn = {7, {1.0, -3.0, 2.0}, {4.0, 0.0, 0.5}};
  distribution.layers[1].attn = {7, {0.0, 0.0, 0.0}, {1.0, 1.0, 1.0}};
  distribution.layers[1].mlp = {7, {0.5, 0.0, 0.0}, {1.0, 2.0, 1e-13}};
  const Json want = {{"hidden_size", 3},
                     {"blocks",
                      {{{"layer", 0},
                        {"part", "attn"},
                        {"num_tokens", 7},
                        {"largest_abs_mean", 3.0},
                        {"least_variance", 0.0},
                        {"largest_variance", 4.0},
                        {"num_dead_features", 1}},
                       {{"layer", 1},
                        {"part", "attn"},
                        {"num_tokens", 7},
                        {"largest_abs_mean", 0.0},
                        {"least_variance", 1.0},
                        {"largest_variance", 1.0},
                        {"num_dead_features", 0}},
                       {{"layer", 1},
                        {"part", "mlp"},
                        {"num_tokens", 7},
                        {"largest_abs_mean", 0.5},
                        {"least_variance", 1e-13},
                        {"largest_variance", 2.0},
                        {"num_dead_features", 1}}}}};
  EXPECT_EQ(DistributionReportToJson(distribution), want);
  EXPECT_THAT(FormatDistributionReport(distribution),
              HasSubstr("      1   mlp             0.5           1e-13"));
}

}  // namespace
}  // namespace moe
