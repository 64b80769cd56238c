
#include <cmath>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/options/options.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/gates/clustering_options.pb.h"

namespace moe::gates {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

ClusteringOptions Valid() {
  ClusteringOptions options;
  options.set_num_experts(8);
  options.set_balance_jitter_factor(0.4);
  return options;
}

TEST(ClusteringOptionsTest, HaveDefaults) {
  MOE_EXPECT_OK(base::CheckOptions(Valid()));
  EXPECT_EQ(ClusteringOptions().max_iter(), 100);
  EXPECT_EQ(ClusteringOptions().n_init(), 16);
  EXPECT_EQ(ClusteringOptions().num_experts(), 8);
  EXPECT_EQ(ClusteringOptions().balance_jitter_factor(), 0.4);
}

void ExpectRefused(const ClusteringOptions& options, const char* message) {
  EXPECT_THAT(base::CheckOptions(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(ClusteringOptionsTest, EachFieldIsChecked) {
  ClusteringOptions options = Valid();
  options.set_num_experts(0);
  ExpectRefused(options, "num_experts: expected 1 to 1024, found 0");
  options.set_num_experts(1025);
  ExpectRefused(options, "num_experts: expected 1 to 1024, found 1025");
  options = Valid();
  options.set_balance_jitter_factor(-0.1);
  ExpectRefused(options, "balance_jitter_factor: expected 0 to 1, found -0.1");
  options.set_balance_jitter_factor(1.5);
  ExpectRefused(options, "balance_jitter_factor: expected 0 to 1, found 1.5");
  options.set_balance_jitter_factor(std::nan(""));
  ExpectRefused(options, "balance_jitter_factor: expected 0 to 1, found nan");
  options = Valid();
  options.set_max_iter(0);
  ExpectRefused(options, "max_iter: expected 1 to");
  options = Valid();
  options.set_n_init(0);
  ExpectRefused(options, "n_init: expected 1 to");
  options = Valid();
  options.set_seed(-1);
  ExpectRefused(options, "seed: expected 0 or more, found -1");
}

}  // namespace
}  // namespace moe::gates
