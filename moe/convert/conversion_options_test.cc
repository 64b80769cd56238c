#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/convert_attention.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/mlp_options.pb.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::StatusIs;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

MlpConversionOptions Mlp() {
  MlpConversionOptions options;
  options.set_num_experts(8);
  options.set_top_k(2);
  options.set_scale_factor(4.0);
  return options;
}

AttentionConversionOptions Attention() {
  AttentionConversionOptions options;
  options.set_top_k_attn(7);
  options.set_scale_factor_attn(1.0);
  return options;
}

TEST(MlpConversionOptionsTest, GoodOnesPass) {
  MOE_EXPECT_OK(ValidateMlpConversionOptions(Mlp()));
  MlpConversionOptions options = Mlp();
  options.set_kind(MlpConversionOptions::RESIDUAL);
  options.set_top_k(8);
  options.set_num_moe_contract_layers(100);  // The model says more.
  options.set_seed(int64_t{1} << 62);
  MOE_EXPECT_OK(ValidateMlpConversionOptions(options));
}

TEST(MlpConversionOptionsTest, EveryFieldIsChecked) {
  struct Case {
    std::function<void(MlpConversionOptions&)> change;
    std::string message;
  };
  const Case cases[] = {
      {[](auto& o) { o.set_num_experts(0); },
       "num_experts: expected 1 or more, found 0"},
      {[](auto& o) { o.set_top_k(0); }, "top_k: expected 1 or more, found 0"},
      {[](auto& o) { o.set_top_k(9); },
       "top_k: expected 1 to 8 (num_experts), found 9"},
      {[](auto& o) { o.set_scale_factor(0.0); },
       "scale_factor: expected above 0, found 0"},
      {[](auto& o) { o.set_scale_factor(kNan); },
       "scale_factor: expected above 0, found nan"},
      {[](auto& o) { o.set_scale_factor(kInfinity); },
       "scale_factor: expected above 0, found inf"},
      {[](auto& o) { o.set_num_moe_contract_layers(-1); },
       "num_moe_contract_layers: expected 0 or more, found -1"},
      {[](auto& o) { o.set_seed(-1); }, "seed: expected 0 or more, found -1"},
  };
  for (const Case& c : cases) {
    MlpConversionOptions options = Mlp();
    c.change(options);
    EXPECT_THAT(ValidateMlpConversionOptions(options),
                StatusIs(absl::StatusCode::kInvalidArgument, c.message));
  }
}

TEST(AttentionConversionOptionsTest, GoodOnesPass) {
  MOE_EXPECT_OK(ValidateAttentionConversionOptions(Attention()));
  EXPECT_EQ(Attention().attn_split(), 1);
  AttentionConversionOptions options = Attention();
  options.set_attn_split(4);
  MOE_EXPECT_OK(ValidateAttentionConversionOptions(options));
}

TEST(AttentionConversionOptionsTest, EveryFieldIsChecked) {
  struct Case {
    std::function<void(AttentionConversionOptions&)> change;
    std::string message;
  };
  const Case cases[] = {
      {[](auto& o) { o.set_attn_split(0); },
       "attn_split: expected 1 or more, found 0"},
      {[](auto& o) { o.set_attn_split(6); },
       "attn_split: expected 1, 2, 4, 8, ..., found 6"},
      {[](auto& o) { o.set_top_k_attn(0); },
       "top_k_attn: expected 1 or more, found 0"},
      {[](auto& o) { o.set_scale_factor_attn(-1.0); },
       "scale_factor_attn: expected above 0, found -1"},
      {[](auto& o) { o.set_num_moe_contract_layers(-2); },
       "num_moe_contract_layers: expected 0 or more, found -2"},
      {[](auto& o) { o.set_seed(-1); }, "seed: expected 0 or more, found -1"},
  };
  for (const Case& c : cases) {
    AttentionConversionOptions options = Attention();
    c.change(options);
    EXPECT_THAT(ValidateAttentionConversionOptions(options),
                StatusIs(absl::StatusCode::kInvalidArgument, c.message));
  }
}

}  // namespace
}  // namespace moe::convert
