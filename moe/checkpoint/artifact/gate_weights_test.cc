#include "moe/checkpoint/artifact/gate_weights.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/testing/example_artifacts.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

using ::moe::checkpoint::testing::ExampleGateWeights;

constexpr GateWeightsShape kShape = {2, 2, 3};

TEST(GateWeightsTest, RoundTrips) {
  const GateWeights gates = ExampleGateWeights();
  const HostTensors tensors = gates.ToTensors();
  EXPECT_THAT(tensors, ElementsAre(Key("layers.0"), Key("layers.1")));
  EXPECT_EQ(tensors.at("layers.0").shape, (Shape{2, 3}));
  EXPECT_THAT(GateWeights::FromTensors(tensors), IsOkAndHolds(gates));
  EXPECT_THAT(GateWeights::FromPt(gates.ToPt()), IsOkAndHolds(gates));
  EXPECT_TRUE(std::signbit(gates.layers[1].values()[5]));
  EXPECT_THAT(ValidateGateWeights(gates, kShape, "path"),
              ::moe::base::testing::IsOk());
}

TEST(GateWeightsTest, UpcastsBf16) {
  const HostTensors tensors = {
      {"layers.0",
       HostTensor{Dtype::kBF16, {1, 2}, std::string("\x80\x3f\x00\xc0", 4)}}};
  MOE_ASSERT_OK_AND_ASSIGN(const GateWeights gates,
                           GateWeights::FromTensors(tensors));
  EXPECT_THAT(gates.layers[0].values(), ElementsAre(1.0f, -2.0f));
}

TEST(GateWeightsTest, RefusesMissingExtraAndMistyped) {
  HostTensors tensors = ExampleGateWeights().ToTensors();
  tensors["layers.3"] = tensors.at("layers.1");
  EXPECT_THAT(
      GateWeights::FromTensors(tensors),
      StatusIs(kInvalid, HasSubstr("expected the tensor \"layers.2\"")));
  tensors.erase("layers.3");
  tensors["bias"] = tensors.at("layers.1");
  EXPECT_THAT(GateWeights::FromTensors(tensors),
              StatusIs(kInvalid, HasSubstr("\"bias\"")));
  tensors.erase("bias");
  tensors["layers.1"] = DoubleTensor({1.0}, {1, 1});
  EXPECT_THAT(
      GateWeights::FromTensors(tensors),
      StatusIs(
          kInvalid,
          HasSubstr(
              "layers.1: expected F32 (or BF16 or F16), found F64 [1, 1]")));
  EXPECT_THAT(GateWeights::FromTensors({}), StatusIs(kInvalid));
}

TEST(GateWeightsTest, RefusesOtherPtStructures) {
  EXPECT_THAT(
      GateWeights::FromPt({PtInts{1}}),
      StatusIs(
          kInvalid,
          HasSubstr("the top level: expected a dict, found a list of ints")));
  PtDict dict;
  dict.Add(int64_t{0}, {PtInts{1}});
  EXPECT_THAT(
      GateWeights::FromPt({dict}),
      StatusIs(kInvalid,
               HasSubstr("[0]: expected a tensor, found a list of ints")));
  dict.entries.clear();
  dict.Add(int64_t{0}, {DoubleTensor({1.0}, {1, 1})});
  EXPECT_THAT(
      GateWeights::FromPt({dict}),
      StatusIs(kInvalid,
               HasSubstr("[0]: expected F32 (or BF16 or F16), found F64")));
}

TEST(GateWeightsTest, RefusesWhatDoesNotFit) {
  const GateWeights gates = ExampleGateWeights();
  EXPECT_THAT(
      ValidateGateWeights(gates, {3, 2, 3}, "dir/g.pt"),
      StatusIs(kInvalid, AllOf(HasSubstr("dir/g.pt: expected num_layers"),
                               HasSubstr("num_layers 3, found 2"))));
  EXPECT_THAT(
      ValidateGateWeights(gates, {2, 4, 3}, "p"),
      StatusIs(kInvalid,
               HasSubstr("p: layers.0: expected num_experts 4, found 2")));
  EXPECT_THAT(ValidateGateWeights(gates, {2, 2, 4}, "p"),
              StatusIs(kInvalid, HasSubstr("expected hidden_size 4, found 3")));
}

TEST(GateWeightsTest, RefusesNonFinite) {
  for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
    GateWeights gates = ExampleGateWeights();
    gates.layers[1].values()[5] = bad;
    EXPECT_THAT(
        ValidateGateWeights(gates, kShape, "p"),
        StatusIs(
            kInvalid,
            HasSubstr("p: layers.1[1, 2]: expected a finite value, found ")));
  }
}

}  // namespace
}  // namespace moe::checkpoint
