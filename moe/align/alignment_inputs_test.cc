#include "moe/align/alignment_inputs.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::align {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::WriteTinyModel;
using ::moe::convert::testing::WriteTinyMoe;
using ::testing::HasSubstr;

// Four layers, the first and the last dense.
checkpoint::MoeConfig Config(bool attention, bool mlp) {
  checkpoint::MoeConfig config;
  config.decoder.num_hidden_layers = 4;
  config.decoder.hidden_size = 2;
  config.num_moe_contract_layers = 1;
  config.use_attn_moe = attention;
  config.num_local_experts = mlp ? 8 : 0;
  return config;
}

TEST(AlignmentInputsTest, ContractLayersHaveNoBlocksWithExperts) {
  const checkpoint::LayerParts<bool> none = {false, false};
  EXPECT_EQ(BlocksWithExperts(Config(true, true), 0), none);
  EXPECT_EQ(BlocksWithExperts(Config(true, true), 3), none);
  EXPECT_EQ(BlocksWithExperts(Config(true, true), 1),
            (checkpoint::LayerParts<bool>{true, true}));
  EXPECT_EQ(BlocksWithExperts(Config(false, true), 2),
            (checkpoint::LayerParts<bool>{false, true}));
  EXPECT_EQ(BlocksWithExperts(Config(true, false), 2),
            (checkpoint::LayerParts<bool>{true, false}));
}

TEST(AlignmentInputsTest, TheReferenceHasWhatIsAligned) {
  const checkpoint::FeatureMoments moments = {3, {0.0, 1.0}, {1.0, 2.0}};
  checkpoint::Distribution reference;
  reference.layers.resize(4);
  for (auto& layer : reference.layers) layer.mlp = moments;
  MOE_EXPECT_OK(CheckReference(Config(false, true), reference, "file"));
  EXPECT_THAT(CheckReference(Config(true, true), reference, "file"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("file: layers.1.attn: expected ")));
  reference.layers[0].mlp->number = 0;
  MOE_EXPECT_OK(CheckReference(Config(false, true), reference, "file"));
  reference.layers[2].mlp->number = 0;
  EXPECT_THAT(
      CheckReference(Config(false, true), reference, "file"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr(
                   "file: layers.2.mlp.number: expected at least 1, found 0")));
  reference.layers.pop_back();
  EXPECT_THAT(CheckReference(Config(false, true), reference, "file"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("file: expected num_layers")));
}

TEST(AlignmentInputsTest, FactorsAreOfExactlyTheBlocksWithExperts) {
  const checkpoint::ScaleFactor factor = {{1.0f, 1.0f}, {0.0f, 0.0f}};
  checkpoint::ScaleFactors factors;
  factors.layers[1].mlp = factor;
  factors.layers[2].mlp = factor;
  MOE_EXPECT_OK(CheckFactors(Config(false, true), factors, "file"));
  EXPECT_THAT(CheckFactors(Config(true, true), factors, "file"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("file: layers.1.attn: expected ")));
  factors.layers[3].mlp = factor;
  EXPECT_THAT(
      CheckFactors(Config(false, true), factors, "file"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("file: layers.3.mlp: expected none, because the model "
                         "has no experts there, found factors")));
}

TEST(AlignmentInputsTest, WhatHasBeenAlignedIsAlignedAgainOnRequest) {
  const TempDirectory directory;
  const auto status_of = [&](const std::string& name, bool realign) {
    AlignOptions options;
    options.set_realign(realign);
    const checkpoint::Checkpoint checkpoint =
        checkpoint::Checkpoint::Open(directory.Path(name)).value();
    return CheckAlignable(checkpoint, options);
  };
  WriteTinyModel(TinyModel(), directory.Path("dense"));
  for (const bool realign : {false, true}) {
    EXPECT_THAT(
        status_of("dense", realign),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr("dense: expected a Mixture-of-Experts checkpoint")));
  }
  checkpoint::MoeConfig config;
  WriteTinyMoe(config, TinyModel(), directory.Path("moe"));
  MOE_EXPECT_OK(status_of("moe", false));
  // Biases that the dense model had are no alignment.
  config.decoder.mlp_bias = true;
  WriteTinyMoe(config, TinyModel(), directory.Path("biases"));
  MOE_EXPECT_OK(status_of("biases", false));
  config.add_rescale_bias = true;
  WriteTinyMoe(config, TinyModel(), directory.Path("aligned"));
  EXPECT_THAT(
      status_of("aligned", false),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("aligned: expected a checkpoint that is not aligned")));
  MOE_EXPECT_OK(status_of("aligned", true));
}

using ::moe::base::testing::IsOkAndHolds;

TEST(StoredBiasTest, IsASharePerUnitOfTheScaleFactor) {
  EXPECT_EQ(ExpertBias(6.0f, 4.0, AlignOptions::EXACT), 1.5);
  EXPECT_EQ(ExpertBias(6.0f, 4.0, AlignOptions::PUBLISHED), 6.0);
}

// BF16 has 8 bits, F16 11.
TEST(StoredBiasTest, IsRoundedToTheType) {
  EXPECT_THAT(RoundToWeight(checkpoint::Dtype::kBF16, 1.0 + 0x1p-8 + 0x1p-20),
              IsOkAndHolds(1.0f + 0x1p-7f));
  EXPECT_THAT(RoundToWeight(checkpoint::Dtype::kF16, -1.0 - 0x1p-11),
              IsOkAndHolds(-1.0f));
  EXPECT_THAT(RoundToWeight(checkpoint::Dtype::kF32, 0.1), IsOkAndHolds(0.1f));
  EXPECT_THAT(
      RoundToWeight(checkpoint::Dtype::kF16, 70000.0),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("bias: expected a number that F16 can hold, found 70000")));
  EXPECT_THAT(RoundToWeight(checkpoint::Dtype::kF32, -1e39),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected a number that F32 can hold")));
}

}  // namespace

}  // namespace moe::align
