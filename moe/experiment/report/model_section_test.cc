#include "moe/experiment/report/model_section.h"

#include <filesystem>
#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/report/report_values.h"
#include "moe/experiment/report/testing/small_experiment.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::experiment::testing::SmallExperiment;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ModelSectionsToJsonTest, HasTheNumbersOfTheStepsReports) {
  SmallExperiment experiment;
  MOE_ASSERT_OK_AND_ASSIGN(
      const base::Json sections,
      ModelSectionsToJson(experiment.spec(), experiment.results()));
  ASSERT_EQ(sections["routers"].size(), 1u);
  const base::Json& layer = sections["routers"][0]["layers"][0];
  EXPECT_EQ(sections["routers"][0]["step"], "router");
  EXPECT_EQ(sections["routers"][0]["command"], "hidden_clustering");
  EXPECT_EQ(layer["min_size"], 3);
  EXPECT_EQ(layer["sizes"], base::Json::parse("[5, 7]"));
  EXPECT_EQ(layer["restarts"][0]["num_iterations"], 3);
  ASSERT_EQ(sections["neuron_splits"].size(), 1u);
  EXPECT_EQ(sections["neuron_splits"][0]["options"]["num_experts"], 2);
  EXPECT_EQ(sections["neuron_splits"][0]["layers"][0]["wanted"],
            base::Json::parse("[6, 5, 5]"));
  ASSERT_EQ(sections["energy_splits"].size(), 1u);
  EXPECT_EQ(sections["energy_splits"][0]["command"], "split_energy");
  EXPECT_EQ(sections["energy_splits"][0]["layers"][0]["captured_share"], 0.5);
  ASSERT_EQ(sections["rate_splits"].size(), 1u);
  EXPECT_EQ(sections["rate_splits"][0]["command"], "split_activation_rate");
  EXPECT_EQ(sections["rate_splits"][0]["layers"][0]["captured_share"], 0.25);
  ASSERT_EQ(sections["alignments"].size(), 1u);
  EXPECT_EQ(sections["alignments"][0]["alignment_mode"], "exact");
  EXPECT_EQ(sections["alignments"][0]["blocks"][0]["divergence_after"], 3e-8);
  ASSERT_EQ(sections["reconstructions"].size(), 1u);
  const base::Json& made = sections["reconstructions"][0];
  EXPECT_EQ(made["step"], "refitted");
  EXPECT_EQ(made["command"], "reconstruct_converted_model");
  EXPECT_EQ(made["ridge"], 0.5);
  EXPECT_EQ(made["target"], "dense_block");
  EXPECT_EQ(made["blocks"][0]["error_after"], 0.25);
  EXPECT_EQ(made["blocks"][0]["captured_share"], 0.625);
  EXPECT_EQ(made["blocks"][1]["part"], "attention");
}

TEST(ModelSectionsToJsonTest, HasTheLayersOfANeuronRemoval) {
  SmallExperiment experiment;
  ExperimentSpec spec = experiment.spec();
  ExperimentStep& step = *spec.add_steps();
  step.set_name("narrow");
  step.mutable_remove_neurons()->set_dataset("all");
  step.mutable_remove_neurons()->mutable_options()->set_num_neurons(4);
  const std::filesystem::path path =
      absl::StrCat(experiment.results(), "/narrow/",
                   StepReportFile(steps::OutputKind::kNarrowCheckpoint));
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << R"({"artifact": "neuron_removal", "kept_share": 0.5,
      "intermediate_size": 8, "options": {"num_neurons": 4}, "num_shards": 1,
      "layers": [{"layer": 0, "kept_share": 0.5}]})";
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json sections,
                           ModelSectionsToJson(spec, experiment.results()));
  const base::Json want = {{"step", "narrow"},
                           {"command", "remove_neurons"},
                           {"options", {{"num_neurons", 4}}},
                           {"intermediate_size", 8},
                           {"kept_share", 0.5},
                           {"layers", {{{"layer", 0}, {"kept_share", 0.5}}}}};
  EXPECT_EQ(sections["neuron_removals"], base::Json::array({want}));
}

TEST(ModelSectionsToJsonTest, AnExperimentMayHaveNone) {
  SmallExperiment experiment;
  ExperimentSpec spec = experiment.spec();
  const ExperimentStep dense = spec.steps(6);
  spec.clear_steps();
  *spec.add_steps() = dense;
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json sections,
                           ModelSectionsToJson(spec, experiment.results()));
  EXPECT_EQ(sections.dump(),
            R"({"routers":[],"neuron_splits":[],"energy_splits":[],)"
            R"("rate_splits":[],"alignments":[],"reconstructions":[],)"
            R"("neuron_removals":[]})");
}

TEST(ModelSectionsToJsonTest, NamesTheStepOfABrokenReport) {
  SmallExperiment experiment;
  experiment.SetReport("neurons", R"({"layers": {}})");
  EXPECT_THAT(
      ModelSectionsToJson(experiment.spec(), experiment.results()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("\"neurons\""), HasSubstr("layers"))));
}

}  // namespace
}  // namespace moe::experiment
