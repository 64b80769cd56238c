#include "moe/checkpoint/artifact/distribution.h"

#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/testing/example_artifacts.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

using ::moe::checkpoint::testing::ExampleDistribution;

constexpr DistributionShape kShape = {2, 3};

TEST(DistributionTest, RoundTripsWithoutLoss) {
  const Distribution distribution = ExampleDistribution();
  EXPECT_THAT(
      distribution.ToTensors(),
      ElementsAre(Key("layers.0.attn.mean"), Key("layers.0.attn.number"),
                  Key("layers.0.attn.variance"), Key("layers.0.mlp.mean"),
                  Key("layers.0.mlp.number"), Key("layers.0.mlp.variance"),
                  Key("layers.1.mlp.mean"), Key("layers.1.mlp.number"),
                  Key("layers.1.mlp.variance")));
  EXPECT_THAT(Distribution::FromTensors(distribution.ToTensors()),
              IsOkAndHolds(distribution));
  EXPECT_THAT(Distribution::FromPt(distribution.ToPt()),
              IsOkAndHolds(distribution));
  MOE_EXPECT_OK(ValidateDistribution(distribution, kShape, "p"));
}

TEST(DistributionTest, APtFileHoldsF32) {
  Distribution distribution = ExampleDistribution();
  distribution.layers[0].mlp->mean[0] = 1.0 + 0x1p-30;
  MOE_ASSERT_OK_AND_ASSIGN(const Distribution back,
                           Distribution::FromPt(distribution.ToPt()));
  EXPECT_EQ(back.layers[0].mlp->mean[0], 1.0);
  MOE_ASSERT_OK_AND_ASSIGN(const Distribution exact,
                           Distribution::FromTensors(distribution.ToTensors()));
  EXPECT_EQ(exact.layers[0].mlp->mean[0], 1.0 + 0x1p-30);
}

// {0: {"mlp": {"number", "mean", "variance"}}}
PtValue FromPython(PtValue number, PtValue mean, PtValue variance) {
  PtDict fields;
  fields.Add("number", std::move(number));
  fields.Add("mean", std::move(mean));
  fields.Add("variance", std::move(variance));
  PtDict parts;
  parts.Add("mlp", {std::move(fields)});
  PtDict layers;
  layers.Add(int64_t{0}, {std::move(parts)});
  return {std::move(layers)};
}

TEST(DistributionTest, ReadsWhatThePublishedScriptsWrite) {
  const PtValue value =
      FromPython({FloatTensor({7.0f}, {})}, {FloatTensor({0.5f}, {1})},
                 {FloatTensor({2.0f}, {1})});
  MOE_ASSERT_OK_AND_ASSIGN(const Distribution distribution,
                           Distribution::FromPt(value));
  EXPECT_EQ(distribution.layers[0].mlp->number, 7);
  EXPECT_THAT(distribution.layers[0].mlp->mean, ElementsAre(0.5));
  EXPECT_FALSE(distribution.layers[0].attn.has_value());
}

TEST(DistributionTest, RefusesMissingAndExtra) {
  HostTensors tensors = ExampleDistribution().ToTensors();
  tensors.erase("layers.1.mlp.variance");
  EXPECT_THAT(
      Distribution::FromTensors(tensors),
      StatusIs(kInvalid,
               HasSubstr("expected the tensor \"layers.1.mlp.variance\"")));
  tensors["layers.3.mlp.variance"] = DoubleTensor({}, {0});
  tensors["layers.1.mlp.variance"] = DoubleTensor({}, {0});
  EXPECT_THAT(
      Distribution::FromTensors(tensors),
      StatusIs(kInvalid, HasSubstr("\"layers.2.mlp.mean\", found neither")));
  tensors = ExampleDistribution().ToTensors();
  tensors["layers.1.mlp.sigma"] = DoubleTensor({}, {0});
  EXPECT_THAT(Distribution::FromTensors(tensors),
              StatusIs(kInvalid, HasSubstr("\"layers.1.mlp.sigma\"")));
}

TEST(DistributionTest, RefusesOtherPtStructures) {
  PtDict layers;
  layers.Add(int64_t{0}, {PtDict()});
  EXPECT_THAT(Distribution::FromPt({layers}),
              StatusIs(kInvalid,
                       HasSubstr("[0]: expected the key \"attn\" or \"mlp\"")));
  const PtValue no_mean =
      FromPython({int64_t{1}}, {0.5}, {FloatTensor({2.0f}, {1})});
  EXPECT_THAT(
      Distribution::FromPt(no_mean),
      StatusIs(
          kInvalid,
          HasSubstr(
              "[0][\"mlp\"][\"mean\"]: expected a tensor, found a float")));
}

TEST(DistributionTest, RefusesWhatDoesNotFit) {
  const Distribution distribution = ExampleDistribution();
  EXPECT_THAT(
      ValidateDistribution(distribution, {3, 3}, "p"),
      StatusIs(kInvalid, HasSubstr("p: expected num_layers 3, found 2")));
  EXPECT_THAT(
      ValidateDistribution(distribution, {2, 4}, "p"),
      StatusIs(
          kInvalid,
          HasSubstr("layers.0.attn.mean: expected hidden_size 4, found 3")));
}

TEST(DistributionTest, RefusesBadValues) {
  Distribution distribution = ExampleDistribution();
  distribution.layers[1].mlp->mean[2] = std::nan("");
  EXPECT_THAT(
      ValidateDistribution(distribution, kShape, "p"),
      StatusIs(kInvalid,
               HasSubstr("p: layers.1.mlp.mean[2]: expected a finite value")));
  distribution = ExampleDistribution();
  distribution.layers[0].attn->variance[1] = -0.5;
  EXPECT_THAT(
      ValidateDistribution(distribution, kShape, "p"),
      StatusIs(
          kInvalid,
          HasSubstr(
              "layers.0.attn.variance[1]: expected 0 or more, found -0.5")));
  distribution = ExampleDistribution();
  distribution.layers[0].attn->number = -1;
  EXPECT_THAT(
      ValidateDistribution(distribution, kShape, "p"),
      StatusIs(
          kInvalid,
          HasSubstr("layers.0.attn.number: expected 0 or more, found -1")));
  distribution = ExampleDistribution();
  distribution.layers[0].mlp->variance.pop_back();
  EXPECT_THAT(
      ValidateDistribution(distribution, kShape, "p"),
      StatusIs(kInvalid,
               HasSubstr("layers.0.mlp.variance: expected hidden_size")));
}

}  // namespace
}  // namespace moe::checkpoint
