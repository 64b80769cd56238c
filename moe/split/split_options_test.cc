#include "moe/split/split_options.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/options/options.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/split/split_options.pb.h"

namespace moe {
namespace {

using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

auto Refuses(const char* text) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
}

VanillaSplitOptions Vanilla(int64_t num_experts) {
  VanillaSplitOptions options;
  options.set_num_experts(num_experts);
  return options;
}

ResidualSplitOptions Residual(int64_t num_moe, int64_t num_residual) {
  ResidualSplitOptions options;
  options.set_num_experts_moe(num_moe);
  options.set_num_experts_residual(num_residual);
  return options;
}

TEST(SplitOptionsTest, VanillaNamesTheField) {
  MOE_EXPECT_OK(CheckOptions(Vanilla(1)));
  MOE_EXPECT_OK(CheckOptions(Vanilla(1024)));
  EXPECT_THAT(CheckOptions(Vanilla(0)),
              Refuses("num_experts: expected 1 to 1024, found 0"));
  VanillaSplitOptions options = Vanilla(8);
  options.set_expert_size(0);
  EXPECT_THAT(CheckOptions(options),
              Refuses("expert_size: expected 1 or more, found 0"));
  options = Vanilla(8);
  options.set_criterion(static_cast<SplitCriterion::Value>(7));
  EXPECT_THAT(CheckOptions(options),
              Refuses("criterion: expected max, min, found 7"));
}

TEST(SplitOptionsTest, ResidualNamesTheField) {
  MOE_EXPECT_OK(CheckOptions(Residual(7, 1)));
  EXPECT_THAT(CheckOptions(Residual(0, 1)),
              Refuses("num_experts_moe: expected 1 to 1024, found 0"));
  EXPECT_THAT(CheckOptions(Residual(7, 0)),
              Refuses("num_experts_residual: expected 1 to 1024, found 0"));
  ResidualSplitOptions options = Residual(7, 1);
  options.set_expert_size(-3);
  EXPECT_THAT(CheckOptions(options),
              Refuses("expert_size: expected 1 or more, found -3"));
}

TEST(SplitOptionsTest, NaiveNamesTheField) {
  NaiveSplitOptions options;
  options.set_num_experts(8);
  MOE_EXPECT_OK(CheckOptions(options));
  options.set_seed(-1);
  EXPECT_THAT(CheckOptions(options),
              Refuses("seed: expected 0 or more, found -1"));
  options.set_seed(0);
  options.set_num_experts(1025);
  EXPECT_THAT(CheckOptions(options), Refuses("num_experts"));
}

TEST(SplitOptionsTest, ExpertsOfOneSizeTakeAllNeurons) {
  EXPECT_THAT(ExpertSize(Vanilla(8), 1536), IsOkAndHolds(192));
  EXPECT_THAT(ExpertSize(Residual(7, 1), 1536), IsOkAndHolds(192));
  EXPECT_THAT(ExpertSize(Vanilla(7), 1536),
              Refuses("intermediate size is 1536, which 7 experts cannot"));
  EXPECT_THAT(ExpertSize(Residual(8, 1), 1536), Refuses("which 9 experts"));
  EXPECT_THAT(ExpertSize(Vanilla(8), 0), Refuses("intermediate size is 0"));
  VanillaSplitOptions options = Vanilla(8);
  options.set_expert_size(192);
  EXPECT_THAT(ExpertSize(options, 1536), IsOkAndHolds(192));
  options.set_expert_size(100);
  EXPECT_THAT(ExpertSize(options, 1536), Refuses("set share_neurons"));
  // 8 times it is 1536 in 64 bits.
  options.set_expert_size((int64_t{1} << 61) + 192);
  EXPECT_THAT(ExpertSize(options, 1536), Refuses("allowed: 1 to the inter"));
}

TEST(SplitOptionsTest, SharedExpertsHaveAnySizeThereAreNeuronsFor) {
  VanillaSplitOptions options = Vanilla(7);
  options.set_share_neurons(true);
  EXPECT_THAT(ExpertSize(options, 1536), IsOkAndHolds(219));
  options.set_expert_size(1536);
  EXPECT_THAT(ExpertSize(options, 1536), IsOkAndHolds(1536));
  options.set_expert_size(1537);
  EXPECT_THAT(ExpertSize(options, 1536), Refuses("1 to the intermediate size"));
  EXPECT_THAT(ExpertSize(Vanilla(8), 7), Refuses("intermediate size is 7"));

  ResidualSplitOptions residual = Residual(7, 3);
  residual.set_share_neurons(true);
  residual.set_expert_size(384);  // 3 * 384 + 384 = 1536
  EXPECT_THAT(ExpertSize(residual, 1536), IsOkAndHolds(384));
  residual.set_expert_size(385);
  EXPECT_THAT(ExpertSize(residual, 1536), Refuses("allowed: 1 to 384"));
  residual.set_expert_size(std::numeric_limits<int64_t>::max());
  EXPECT_THAT(ExpertSize(residual, 1536), Refuses("expert_size is 9223"));
}

}  // namespace
}  // namespace moe
