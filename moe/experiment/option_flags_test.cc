#include "moe/experiment/option_flags.h"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/split/split_options.pb.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe {
namespace {

using ::testing::ElementsAre;

TEST(OptionFlagsTest, WritesWhatIsZeroToo) {
  ClusteringOptions options;
  options.set_num_experts(8);
  options.set_n_init(4);
  // Left to the command: max_iter. Strictly balanced: a jitter of 0, where the
  // command's default is 0.4.
  EXPECT_THAT(OptionFlags(options),
              ElementsAre("--num_experts=8", "--balance_jitter_factor=0",
                          "--distance_metric=l2", "--n_init=4", "--seed=0"));
}

TEST(OptionFlagsTest, WritesEnumsBoolsAndDoubles) {
  VanillaSplitOptions options;
  options.set_num_experts(4);
  options.set_criterion(SplitCriterion::MIN);
  EXPECT_THAT(OptionFlags(options),
              ElementsAre("--num_experts=4", "--criterion=min"));
  options.set_share_neurons(true);
  EXPECT_THAT(OptionFlags(options),
              ElementsAre("--num_experts=4", "--criterion=min",
                          "--share_neurons=true"));
  AttentionConversionOptions attention;
  attention.set_top_k_attn(2);
  attention.set_scale_factor_attn(0.1);
  EXPECT_THAT(
      OptionFlags(attention),
      ElementsAre("--top_k_attn=2", "--scale_factor_attn=0.1", "--seed=0"));
}

TEST(OptionFlagsTest, WritesABoolThatIsSetToFalse) {
  TokenizeOptions options;
  EXPECT_THAT(OptionFlags(options), ElementsAre("--chat_template=auto"));
  options.set_add_bos(false);
  EXPECT_THAT(OptionFlags(options),
              ElementsAre("--chat_template=auto", "--add_bos=false"));
}

TEST(OptionFlagsTest, LeavesOutWhatIsNoFlag) {
  MlpConversionOptions options;
  options.set_kind(MlpConversionOptions::RESIDUAL);
  options.set_num_experts(7);
  options.set_top_k(1);
  options.set_scale_factor(1.0);
  EXPECT_THAT(OptionFlags(options, {"kind", "seed"}),
              ElementsAre("--num_experts=7", "--top_k=1", "--scale_factor=1",
                          "--num_moe_contract_layers=0"));
}

TEST(FormatShortestTest, ReadsBackAsTheSameNumber) {
  for (const double value :
       {0.4, 1.0 / 3.0, 1e-300, -2.5, std::numeric_limits<double>::max()}) {
    EXPECT_EQ(std::strtod(FormatShortest(value).c_str(), nullptr), value);
  }
  EXPECT_EQ(FormatShortest(0.4), "0.4");
  EXPECT_EQ(FormatShortest(4.0), "4");
}

}  // namespace
}  // namespace moe
