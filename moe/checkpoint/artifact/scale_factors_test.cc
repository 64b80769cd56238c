#include "moe/checkpoint/artifact/scale_factors.h"

#include <cstdint>
#include <limits>

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
constexpr float kInfinity = std::numeric_limits<float>::infinity();

using ::moe::checkpoint::testing::ExampleScaleFactors;

constexpr ScaleFactorsShape kShape = {2, 2};

TEST(ScaleFactorsTest, RoundTrips) {
  const ScaleFactors factors = ExampleScaleFactors();
  EXPECT_THAT(factors.ToTensors(),
              ElementsAre(Key("layers.1.attn.scale_bias"),
                          Key("layers.1.attn.scale_magnitude"),
                          Key("layers.1.mlp.scale_bias"),
                          Key("layers.1.mlp.scale_magnitude")));
  EXPECT_THAT(ScaleFactors::FromTensors(factors.ToTensors()),
              IsOkAndHolds(factors));
  EXPECT_THAT(ScaleFactors::FromPt(factors.ToPt()), IsOkAndHolds(factors));
  MOE_EXPECT_OK(ValidateScaleFactors(factors, kShape, "p"));
}

TEST(ScaleFactorsTest, NothingAlignedIsAFileToo) {
  const ScaleFactors none;
  EXPECT_THAT(ScaleFactors::FromTensors(none.ToTensors()), IsOkAndHolds(none));
  EXPECT_THAT(ScaleFactors::FromPt(none.ToPt()), IsOkAndHolds(none));
}

TEST(ScaleFactorsTest, RefusesMissingAndExtra) {
  HostTensors tensors = ExampleScaleFactors().ToTensors();
  tensors.erase("layers.1.attn.scale_bias");
  EXPECT_THAT(
      ScaleFactors::FromTensors(tensors),
      StatusIs(kInvalid,
               HasSubstr("expected the tensor \"layers.1.attn.scale_bias\"")));
  tensors = ExampleScaleFactors().ToTensors();
  tensors["layers.0.attn.scale"] = FloatTensor({}, {0});
  EXPECT_THAT(ScaleFactors::FromTensors(tensors),
              StatusIs(kInvalid, HasSubstr("\"layers.0.attn.scale\"")));
  tensors = ExampleScaleFactors().ToTensors();
  tensors["layers.1.mlp.scale_bias"] = DoubleTensor({1.0, 1.0}, {2});
  EXPECT_THAT(ScaleFactors::FromTensors(tensors),
              StatusIs(kInvalid, HasSubstr("layers.1.mlp.scale_bias: expected "
                                           "F32 (or BF16 or F16), found F64")));
}

TEST(ScaleFactorsTest, RefusesOtherPtStructures) {
  PtDict layers;
  layers.Add("0", {PtDict()});
  EXPECT_THAT(
      ScaleFactors::FromPt({layers}),
      StatusIs(kInvalid,
               HasSubstr("expected layer numbers as keys, found [\"0\"]")));
  PtDict parts;
  parts.Add("ffn", {PtDict()});
  layers.entries.clear();
  layers.Add(int64_t{0}, {parts});
  EXPECT_THAT(
      ScaleFactors::FromPt({layers}),
      StatusIs(kInvalid, HasSubstr("[0]: expected only the keys "
                                   "[\"attn\"][\"mlp\"], found [\"ffn\"]")));
  parts.entries.clear();
  parts.Add("mlp", {PtDict()});
  layers.entries.clear();
  layers.Add(int64_t{0}, {parts});
  EXPECT_THAT(
      ScaleFactors::FromPt({layers}),
      StatusIs(
          kInvalid,
          HasSubstr("[0][\"mlp\"]: expected the key [\"scale_magnitude\"]")));
}

TEST(ScaleFactorsTest, RefusesWhatDoesNotFit) {
  ScaleFactors factors = ExampleScaleFactors();
  EXPECT_THAT(ValidateScaleFactors(factors, {1, 2}, "p"),
              StatusIs(kInvalid, HasSubstr("which has 1, found the layer 1")));
  EXPECT_THAT(
      ValidateScaleFactors(factors, {2, 3}, "p"),
      StatusIs(kInvalid,
               HasSubstr("scale_magnitude: expected hidden_size 3, found 2")));
  factors.layers[1].mlp->scale_bias[1] = kInfinity;
  EXPECT_THAT(
      ValidateScaleFactors(factors, kShape, "p"),
      StatusIs(kInvalid, HasSubstr("layers.1.mlp.scale_bias[1]: expected a "
                                   "finite value, found inf")));
}

}  // namespace
}  // namespace moe::checkpoint
