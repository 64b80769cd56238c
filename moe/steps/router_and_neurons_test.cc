#include "moe/steps/router_and_neurons.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"

namespace moe::steps {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class RouterAndNeuronsTest : public ::testing::Test {
 protected:
  absl::StatusOr<StepOutcome> Write(OutputFormat::Value format) {
    StepKind kind;
    kind.name = "a_split";
    auto output = std::make_shared<ArtifactOutput>();
    output->set_save_path(directory_.path());
    output->set_format(format);
    StepRequest request;
    request.kind = &kind;
    request.output = output;
    return WriteRouterAndNeurons(request, {gates_, indices_},
                                 {{{"layers", 1}}, "a table"});
  }

  const TempDirectory directory_;
  const checkpoint::GateWeights gates_ = {
      {base::Matrix<float>(2, 1, {1.0f, -1.0f})}};
  const checkpoint::NeuronIndices indices_ = {
      {{base::Matrix<int64_t>(2, 1, {int64_t{1}, int64_t{0}}), std::nullopt}}};
};

TEST_F(RouterAndNeuronsTest, WritesBoth) {
  MOE_ASSERT_OK_AND_ASSIGN(const StepOutcome outcome,
                           Write(OutputFormat::SAFETENSORS));
  EXPECT_THAT(directory_.List(),
              UnorderedElementsAre(
                  "gate_weights.safetensors", "gate_weights.report.json",
                  "neuron_indices.safetensors", "neuron_indices.report.json"));
  EXPECT_EQ(outcome.report["artifacts"].size(), 2u);
  EXPECT_EQ(outcome.report["layers"], 1);
}

// What came after the check is in the way of the neurons. The router weights
// that were written a moment ago are gone.
TEST_F(RouterAndNeuronsTest, LeavesNoRouterWithoutNeurons) {
  for (const OutputFormat::Value format :
       {OutputFormat::SAFETENSORS, OutputFormat::PT}) {
    directory_.Write("neuron_indices.safetensors", "mine");
    EXPECT_THAT(Write(format).status(),
                StatusIs(absl::StatusCode::kAlreadyExists,
                         HasSubstr("neuron_indices.safetensors")));
    EXPECT_THAT(directory_.List(), ElementsAre("neuron_indices.safetensors"));
  }
}

}  // namespace
}  // namespace moe::steps
