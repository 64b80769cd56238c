#include "moe/checkpoint/artifact/neuron_indices.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

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

using ::moe::checkpoint::testing::ExampleNeuronIndices;

NeuronIndicesShape ShapeOf(bool residual, bool shared = false) {
  return {2, 2, 6, residual, shared};
}

TEST(NeuronIndicesTest, RoundTrips) {
  for (const bool residual : {false, true}) {
    const NeuronIndices indices = ExampleNeuronIndices(residual);
    EXPECT_THAT(NeuronIndices::FromTensors(indices.ToTensors()),
                IsOkAndHolds(indices));
    EXPECT_THAT(NeuronIndices::FromPt(indices.ToPt()), IsOkAndHolds(indices));
    MOE_EXPECT_OK(ValidateNeuronIndices(indices, ShapeOf(residual), "p"));
  }
  EXPECT_THAT(ExampleNeuronIndices(true).ToTensors(),
              ElementsAre(Key("layers.0.experts"), Key("layers.0.residual"),
                          Key("layers.1.experts"), Key("layers.1.residual")));
}

TEST(NeuronIndicesTest, RefusesMixedKindsAndNames) {
  HostTensors tensors = ExampleNeuronIndices(true).ToTensors();
  tensors.erase("layers.1.residual");
  EXPECT_THAT(
      NeuronIndices::FromTensors(tensors),
      StatusIs(kInvalid, HasSubstr("layer 1: expected a residual expert, as in "
                                   "layer 0, found none")));
  tensors.erase("layers.1.experts");
  tensors["layers.1"] = IntTensor({1}, {1});
  EXPECT_THAT(NeuronIndices::FromTensors(tensors),
              StatusIs(kInvalid,
                       HasSubstr("expected the tensor \"layers.1.experts\"")));
  tensors = ExampleNeuronIndices(false).ToTensors();
  tensors["layers.0.extra"] = IntTensor({1}, {1});
  EXPECT_THAT(NeuronIndices::FromTensors(tensors),
              StatusIs(kInvalid, HasSubstr("\"layers.0.extra\"")));
}

PtValue OneLayer(PtValue layer) {
  PtDict layers;
  layers.Add(int64_t{0}, std::move(layer));
  return {std::move(layers)};
}

TEST(NeuronIndicesTest, RefusesOtherPtStructures) {
  EXPECT_THAT(
      NeuronIndices::FromPt(OneLayer({PtList{{PtInts{1, 2}}, {PtInts{3}}}})),
      StatusIs(kInvalid, HasSubstr("neurons, as before, found 1")));
  EXPECT_THAT(
      NeuronIndices::FromPt(OneLayer({PtList{{PtInts{1}}, {0.5}}})),
      StatusIs(kInvalid,
               HasSubstr("[0][1]: expected a list of ints, found a float")));
  EXPECT_THAT(NeuronIndices::FromPt(OneLayer({PtInts{1, 2}})),
              StatusIs(kInvalid, HasSubstr("[0]: expected a list of lists or "
                                           "tensors, found a list of ints")));
  PtDict layer;
  layer.Add(int64_t{0}, {PtInts{1}});
  EXPECT_THAT(
      NeuronIndices::FromPt(OneLayer({layer})),
      StatusIs(kInvalid,
               HasSubstr("expected the key [\"residual\"], found none")));
  layer.Add("residual", {PtInts{2}});
  layer.Add(int64_t{2}, {PtInts{3}});
  EXPECT_THAT(NeuronIndices::FromPt(OneLayer({layer})),
              StatusIs(kInvalid, HasSubstr(", found [2]")));
}

struct BadSplit {
  std::string message;
  bool residual;
  bool shared;
  std::function<void(NeuronIndices&)> spoil;
};

TEST(NeuronIndicesTest, RefusesIndicesThatAreNoSplit) {
  const std::vector<BadSplit> cases = {
      {"layers.0.experts[1, 0]: expected a neuron from 0 to 5, found 6", false,
       true, [](NeuronIndices& n) { n.layers[0].experts.values()[2] = 6; }},
      {"layers.1.experts[0, 1]: expected a neuron from 0 to 5, found -1", false,
       false, [](NeuronIndices& n) { n.layers[1].experts.values()[1] = -1; }},
      {"layers.0.experts[1, 0]: expected a neuron that is free, found 5, which "
       "expert 0 has",
       false, false,
       [](NeuronIndices& n) { n.layers[0].experts.values()[2] = 5; }},
      {"layers.0.experts[1, 1]: expected a neuron that is free, found 4, which "
       "expert 1 has",
       false, true,
       [](NeuronIndices& n) { n.layers[0].experts.values()[3] = 4; }},
      {"layers.0.experts[0, 0]: expected a neuron that is free, found 2, which "
       "the residual expert has",
       true, true,
       [](NeuronIndices& n) { n.layers[0].experts.values()[0] = 2; }},
      {"layers.1.residual[1]: expected a neuron that is free, found 5, which "
       "the residual expert has",
       true, true, [](NeuronIndices& n) { (*n.layers[1].residual)[1] = 5; }},
      {"layers.1.residual: expected residual_size, as in layer 0,", true, false,
       [](NeuronIndices& n) { n.layers[1].residual->pop_back(); }},
      {"layers.1.experts: expected expert_size, as in layer 0,", false, false,
       [](NeuronIndices& n) {
         n.layers[1].experts = base::Matrix<int64_t>(2, 1, {0, 1});
       }},
      {"layers.0.experts: expected experts with neurons, found none", false,
       false,
       [](NeuronIndices& n) {
         for (auto& layer : n.layers)
           layer.experts = base::Matrix<int64_t>(2, 0);
       }},
  };
  for (const BadSplit& bad : cases) {
    NeuronIndices indices = ExampleNeuronIndices(bad.residual);
    bad.spoil(indices);
    EXPECT_THAT(
        ValidateNeuronIndices(indices, ShapeOf(bad.residual, bad.shared), "p"),
        StatusIs(kInvalid, HasSubstr("p: " + bad.message)));
  }
}

TEST(NeuronIndicesTest, SharedNeuronsAreAllowedOnDemand) {
  NeuronIndices indices = ExampleNeuronIndices(false);
  indices.layers[0].experts.values()[2] = 5;
  MOE_EXPECT_OK(ValidateNeuronIndices(indices, ShapeOf(false, true), "p"));
}

TEST(NeuronIndicesTest, RefusesWhatDoesNotFit) {
  const NeuronIndices vanilla = ExampleNeuronIndices(false);
  EXPECT_THAT(ValidateNeuronIndices(vanilla, {3, 2, 6, false, false}, "p"),
              StatusIs(kInvalid, HasSubstr("expected num_layers 3, found 2")));
  EXPECT_THAT(ValidateNeuronIndices(vanilla, {2, 3, 6, false, false}, "p"),
              StatusIs(kInvalid, HasSubstr("expected num_experts 3, found 2")));
  EXPECT_THAT(
      ValidateNeuronIndices(vanilla, ShapeOf(true), "p"),
      StatusIs(kInvalid,
               HasSubstr("layers.0.residual: expected a tensor, found none")));
  EXPECT_THAT(
      ValidateNeuronIndices(ExampleNeuronIndices(true), ShapeOf(false), "p"),
      StatusIs(kInvalid, HasSubstr("make the split with split_gradient")));
}

}  // namespace
}  // namespace moe::checkpoint
