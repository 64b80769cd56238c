#include "moe/experiment/step_plan.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/text_proto.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CheckSpecNameTest, TakesNamesOfDirectoriesAndTargets) {
  for (const char* const name : {"a", "gsp_vanilla", "llama_gqa_bf16"}) {
    EXPECT_THAT(CheckSpecName(name, "name"), IsOk()) << name;
  }
  EXPECT_THAT(CheckSpecName(std::string(64, 'a'), "name"), IsOk());
}

TEST(CheckSpecNameTest, RefusesOthersWithTheField) {
  for (const std::string& name :
       {std::string(), std::string(65, 'a'), std::string("7a"),
        std::string("A"), std::string("a b"), std::string("../a"),
        std::string("a.b"), std::string("_a")}) {
    EXPECT_THAT(CheckSpecName(name, "model"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("model: expected lower-case letters"),
                               HasSubstr("found \"" + name + "\""))));
  }
}

constexpr absl::string_view kSpec = R"pb(
  name: "chain"
  model: "tiny"
  data: "stories"
  datasets {
    name: "calibration"
    file: "text.jsonl"
    tokenize { model_max_length: 64 }
    batch { seed: 3 max_steps: 8 }
  }
  datasets {
    name: "held_out"
    batch { no_shuffle: true }
  }
  steps {
    name: "router"
    hidden_clustering {
      dataset: "calibration"
      options { num_experts: 8 balance_jitter_factor: 0.4 seed: 3 }
    }
  }
  steps {
    name: "scores"
    neuron_importance { dataset: "calibration" gate_weights: "router" }
  }
  steps {
    name: "neurons"
    split {
      importance_scores: "scores"
      options { num_experts: 8 }
    }
  }
  steps {
    name: "mlp"
    convert_mlp {
      gate_weights: "router"
      neuron_indices: "neurons"
      options { num_experts: 8 top_k: 2 scale_factor: 4 }
    }
  }
  steps {
    name: "attention"
    convert_attention {
      checkpoint: "mlp"
      options { top_k_attn: 2 scale_factor_attn: 4 seed: 5 }
    }
  }
  steps {
    name: "converted"
    evaluate { checkpoint: "attention" dataset: "held_out" }
  }
  steps {
    name: "reference"
    hidden_distribution { dataset: "calibration" }
  }
  steps {
    name: "aligned"
    align {
      checkpoint: "attention"
      distribution: "reference"
      dataset: "calibration"
    }
  }
  steps {
    name: "dense"
    evaluate { dataset: "held_out" }
  }
)pb";

ExperimentSpec SpecOf(absl::string_view text) {
  ExperimentSpec spec;
  EXPECT_THAT(ParseTextProto(text, "spec", spec), IsOk());
  return spec;
}

// "model_path=tiny gate_weights_file=router/gate_weights.safetensors".
std::string Inputs(const PlannedStep& step) {
  return absl::StrJoin(
      step.inputs, " ", [](std::string* out, const StepInput& input) {
        absl::StrAppend(out, input.flag, "=", input.name,
                        input.file.empty() ? "" : "/", input.file);
      });
}

std::string Arguments(const PlannedStep& step) {
  return absl::StrJoin(steps::ArgumentsOf(step.request), " ");
}

TEST(PlanStepsTest, MakesCommandsOfSteps) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(SpecOf(kSpec)));
  std::vector<std::string> lines;
  for (const PlannedStep& step : steps) {
    lines.push_back(absl::StrCat(step.name, ": ", step.command(), " ",
                                 Inputs(step), " > ",
                                 steps::OutputName(step.output())));
  }
  EXPECT_THAT(
      lines,
      ElementsAre(
          "router: hidden_clustering model_path=tiny "
          "dataset_dir_or_path=calibration/text.jsonl > gate_weights",
          "scores: split_gradient_get_grads model_path=tiny "
          "dataset_dir_or_path=calibration/text.jsonl "
          "gate_weights_file=router/gate_weights.safetensors > "
          "importance_scores",
          "neurons: split_gradient model_path=tiny "
          "score_file=scores/importance_scores.safetensors > neuron_indices",
          "mlp: convert_mixtral model_path=tiny "
          "gate_weights_file=router/gate_weights.safetensors "
          "neuron_indices_file=neurons/neuron_indices.safetensors > checkpoint",
          "attention: convert_mixtral_attn_moe model_path=mlp > checkpoint",
          "converted: evaluate model_path=attention "
          "dataset_dir_or_path=held_out > evaluation",
          "reference: get_hidden_distribution model_path=tiny "
          "dataset_dir_or_path=calibration/text.jsonl > distribution",
          "aligned: align_converted_model model_path=attention "
          "reference_distribution_file=reference/distribution.safetensors "
          "dataset_dir_or_path=calibration/text.jsonl > aligned_checkpoint",
          "dense: evaluate model_path=tiny dataset_dir_or_path=held_out > "
          "evaluation"));
}

TEST(PlanStepsTest, GivesDatasetsFlagsBeforeOptionsAndOneSeed) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(SpecOf(kSpec)));
  EXPECT_EQ(Arguments(steps[0]),
            "--chat_template=auto --model_max_length=64 --seed=3 "
            "--max_steps=8 --num_experts=8 --balance_jitter_factor=0.4 "
            "--distance_metric=l2");
  EXPECT_EQ(Arguments(steps[3]),
            "--num_experts=8 --top_k=2 --scale_factor=4 "
            "--num_moe_contract_layers=0 --seed=0");
  EXPECT_EQ(Arguments(steps[4]),
            "--top_k_attn=2 --scale_factor_attn=4 --seed=5");
  EXPECT_EQ(Arguments(steps[6]),
            "--chat_template=auto --model_max_length=64 --seed=3 "
            "--max_steps=8");
  EXPECT_EQ(Arguments(steps[7]),
            "--chat_template=auto --model_max_length=64 --seed=3 "
            "--max_steps=8 --alignment_mode=exact --alignment_parts=full");
  EXPECT_EQ(Arguments(steps[8]),
            "--chat_template=auto --seed=0 --no_shuffle=true");
}

TEST(PlanStepsTest, ChoosesCommandsByOptions) {
  ExperimentSpec spec = SpecOf(kSpec);
  MlpConversionStep& mlp = *spec.mutable_steps(3)->mutable_convert_mlp();
  mlp.mutable_options()->set_kind(MlpConversionOptions::RESIDUAL);
  NaiveSplitStep& naive = *spec.mutable_steps(2)->mutable_naive_split();
  naive.mutable_options()->set_num_experts(8);
  MOE_ASSERT_OK_AND_ASSIGN(std::vector<PlannedStep> steps, PlanSteps(spec));
  EXPECT_EQ(steps[2].command(), "split_sequential");
  EXPECT_EQ(Arguments(steps[2]), "--num_experts=8");
  EXPECT_EQ(steps[3].command(), "convert_mixtral_residual");
  EXPECT_THAT(Arguments(steps[3]), Not(HasSubstr("--seed")));
  naive.mutable_options()->set_method(NaiveSplitOptions::RANDOM);
  naive.mutable_options()->set_seed(9);
  mlp.mutable_options()->set_kind(MlpConversionOptions::VANILLA);
  mlp.clear_gate_weights();
  mlp.clear_neuron_indices();
  RandomSelectionStep& random =
      *spec.mutable_steps(0)->mutable_random_selection();
  random.set_dataset("calibration");
  random.mutable_options()->set_num_experts(8);
  random.mutable_options()->set_seed(3);
  MOE_ASSERT_OK_AND_ASSIGN(steps, PlanSteps(spec));
  EXPECT_EQ(steps[0].command(), "random_selection");
  EXPECT_EQ(steps[2].command(), "split_random");
  EXPECT_EQ(Arguments(steps[2]), "--num_experts=8 --seed=9");
  EXPECT_EQ(Inputs(steps[3]), "model_path=tiny");
}

TEST(PlanStepsTest, TakesAnActivationRateSplitForRouterAndNeurons) {
  ExperimentSpec spec = SpecOf(kSpec);
  ActivationRateSplitStep& rates =
      *spec.mutable_steps(2)->mutable_activation_rate_split();
  rates.set_dataset("calibration");
  rates.mutable_options()->set_num_experts(8);
  rates.mutable_options()->set_num_shared_neurons(64);
  rates.mutable_options()->set_top_k(2);
  spec.mutable_steps(3)->mutable_convert_mlp()->set_gate_weights("neurons");
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(spec));
  EXPECT_EQ(steps[2].command(), "split_activation_rate");
  EXPECT_EQ(steps::OutputName(steps[2].output()), "router_and_neurons");
  EXPECT_EQ(Arguments(steps[2]),
            "--chat_template=auto --model_max_length=64 --seed=3 "
            "--max_steps=8 --num_experts=8 --num_shared_neurons=64 --top_k=2 "
            "--activated_neurons=10 --iterations=4 "
            "--router_scale=0.015625");
  EXPECT_EQ(Inputs(steps[3]),
            "model_path=tiny "
            "gate_weights_file=neurons/gate_weights.safetensors "
            "neuron_indices_file=neurons/neuron_indices.safetensors");
  rates.mutable_options()->set_top_k(9);
  EXPECT_THAT(
      PlanSteps(spec).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("options: top_k: expected at most num_experts, 8")));
}

TEST(PlanStepsTest, TakesAReconstructionForACheckpoint) {
  ExperimentSpec spec = SpecOf(kSpec);
  ExperimentStep& refitted = *spec.add_steps();
  refitted.set_name("refitted");
  ReconstructionStep& step = *refitted.mutable_reconstruct();
  step.set_checkpoint("mlp");
  step.set_dataset("calibration");
  step.mutable_options()->set_ridge(0.25);
  ExperimentStep& after = *spec.add_steps();
  after.set_name("refitted_after");
  after.mutable_evaluate()->set_checkpoint("refitted");
  after.mutable_evaluate()->set_dataset("calibration");
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(spec));
  const PlannedStep& planned = steps[steps.size() - 2];
  EXPECT_EQ(planned.command(), "reconstruct_converted_model");
  EXPECT_EQ(steps::OutputName(planned.output()), "reconstructed_checkpoint");
  EXPECT_EQ(Inputs(planned),
            "model_path=mlp dense_model_path=tiny "
            "dataset_dir_or_path=calibration/text.jsonl");
  EXPECT_EQ(Arguments(planned),
            "--chat_template=auto --model_max_length=64 --seed=3 --max_steps=8 "
            "--parts=mlp,attention --ridge=0.25 --ridge_attention=0.05 "
            "--target=dense_stream");
  EXPECT_EQ(Inputs(steps.back()),
            "model_path=refitted dataset_dir_or_path=calibration/text.jsonl");
  // It is made of a checkpoint that another step has made.
  step.clear_checkpoint();
  EXPECT_THAT(PlanSteps(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("checkpoint: expected an earlier step")));
  step.set_checkpoint("mlp");
  step.mutable_options()->set_parts("router");
  EXPECT_THAT(PlanSteps(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("options: parts: expected mlp")));
}

// The baseline of a conversion, refitted as that is.
TEST(PlanStepsTest, TakesADenseModelWithFewerNeuronsForACheckpoint) {
  ExperimentSpec spec = SpecOf(kSpec);
  ExperimentStep& narrow = *spec.add_steps();
  narrow.set_name("narrow");
  NeuronRemovalStep& step = *narrow.mutable_remove_neurons();
  step.set_dataset("calibration");
  step.mutable_options()->set_num_neurons(96);
  ExperimentStep& refitted = *spec.add_steps();
  refitted.set_name("refitted");
  refitted.mutable_reconstruct()->set_checkpoint("narrow");
  refitted.mutable_reconstruct()->set_dataset("calibration");
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(spec));
  const PlannedStep& planned = steps[steps.size() - 2];
  EXPECT_EQ(planned.command(), "remove_neurons");
  EXPECT_EQ(steps::OutputName(planned.output()), "narrow_checkpoint");
  EXPECT_EQ(Inputs(planned),
            "model_path=tiny dataset_dir_or_path=calibration/text.jsonl");
  EXPECT_EQ(Arguments(planned),
            "--chat_template=auto --model_max_length=64 --seed=3 --max_steps=8 "
            "--num_neurons=96");
  EXPECT_EQ(Inputs(steps.back()),
            "model_path=narrow dense_model_path=tiny "
            "dataset_dir_or_path=calibration/text.jsonl");
  step.mutable_options()->clear_num_neurons();
  EXPECT_THAT(PlanSteps(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("options: num_neurons: expected")));
}

// One step makes both, beside one that makes the one or the other.
TEST(PlanStepsTest, TakesAnEnergySplitForRouterAndNeurons) {
  ExperimentSpec spec = SpecOf(kSpec);
  EnergySplitStep& energy = *spec.mutable_steps(2)->mutable_energy_split();
  energy.set_dataset("calibration");
  energy.mutable_options()->set_num_experts(8);
  energy.mutable_options()->set_num_shared_neurons(64);
  energy.mutable_options()->set_top_k(2);
  energy.mutable_options()->set_seed(3);
  MlpConversionStep& mlp = *spec.mutable_steps(3)->mutable_convert_mlp();
  mlp.set_gate_weights("neurons");
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(spec));
  EXPECT_EQ(steps[2].command(), "split_energy");
  EXPECT_EQ(steps::OutputName(steps[2].output()), "router_and_neurons");
  EXPECT_EQ(Arguments(steps[2]),
            "--chat_template=auto --model_max_length=64 --seed=3 "
            "--max_steps=8 --num_experts=8 --num_shared_neurons=64 --top_k=2 "
            "--iterations=6 --ridge=0.1 --router_spread=0.0625");
  EXPECT_EQ(Inputs(steps[3]),
            "model_path=tiny "
            "gate_weights_file=neurons/gate_weights.safetensors "
            "neuron_indices_file=neurons/neuron_indices.safetensors");
  mlp.set_gate_weights("scores");
  EXPECT_THAT(PlanSteps(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("gate_weights: expected an earlier step that "
                                 "makes gate_weights: router, neurons, ")));
  mlp.set_gate_weights("router");
  mlp.set_neuron_indices("router");
  EXPECT_THAT(PlanSteps(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("neuron_indices: expected an earlier step "
                                 "that makes neuron_indices: neurons, ")));
  energy.mutable_options()->set_top_k(9);
  EXPECT_THAT(
      PlanSteps(spec).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("options: top_k: expected at most num_experts, 8")));
  energy.mutable_options()->clear_top_k();
  EXPECT_THAT(PlanSteps(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("options: top_k: expected ")));
}

struct Mistake {
  std::string from;  // A part of kSpec's text, once in it.
  std::string to;
  std::string message;
};

TEST(PlanStepsTest, NamesStepAndFieldOfAMistake) {
  const Mistake mistakes[] = {
      {"name: \"chain\"", "name: \"a chain\"",
       "name: expected lower-case letters, digits and underscores, a letter "
       "first, at most 64, found \"a chain\""},
      {"model: \"tiny\"", "", "model: expected lower-case"},
      {"data: \"stories\"", "data: \"/stories\"",
       "at most 64, found \"/stories\""},
      {"file: \"text.jsonl\"", "file: \"../a\"",
       "datasets[0] \"calibration\": file: expected the name of a file in "
       "the data's directory, found \"../a\""},
      {"model_max_length: 64", "model_max_length: 0",
       "datasets[0] \"calibration\": tokenize: model_max_length: expected "},
      {"max_steps: 8", "max_steps: 0",
       "datasets[0] \"calibration\": batch: max_steps: expected "},
      {"name: \"held_out\"", "name: \"calibration\"",
       "datasets[1] \"calibration\": expected a name of its own, found that of "
       "datasets[0]"},
      {"name: \"scores\"", "name: \"router\"",
       "steps[1] \"router\": expected a name of its own, found that of "
       "steps[0]"},
      {"name: \"scores\"", "name: \"report\"",
       "steps[1] \"report\": expected another name"},
      {"name: \"scores\"", "name: \"my scores\"",
       "steps[1]: name: expected lower-case"},
      {"dataset: \"calibration\" gate_weights: \"router\"",
       "dataset: \"cal\" gate_weights: \"router\"",
       "steps[1] \"scores\": dataset: expected the name of one of the "
       "datasets, found \"cal\""},
      {"dataset: \"calibration\" gate_weights: \"router\"",
       "dataset: \"calibration\"",
       "steps[1] \"scores\": gate_weights: expected an earlier step that makes "
       "gate_weights: router, found \"\""},
      {"importance_scores: \"scores\"", "importance_scores: \"mlp\"",
       "steps[2] \"neurons\": importance_scores: expected an earlier step that "
       "makes importance_scores: scores, found \"mlp\""},
      {"checkpoint: \"mlp\"", "checkpoint: \"attention\"",
       "steps[4] \"attention\": checkpoint: expected an earlier step that "
       "makes checkpoint: mlp, found \"attention\""},
      {"balance_jitter_factor: 0.4 seed: 3", "balance_jitter_factor: 2 seed: 3",
       "steps[0] \"router\": options: balance_jitter_factor: expected 0 to 1, "
       "found 2"},
      {"balance_jitter_factor: 0.4 seed: 3", "seed: 4",
       "seed: expected 3, the seed of dataset \"calibration\""},
      {"distribution: \"reference\"", "distribution: \"scores\"",
       "steps[7] \"aligned\": distribution: expected an earlier step that "
       "makes distribution: reference, found \"scores\""},
      {"checkpoint: \"attention\"\n      distribution", "distribution",
       "steps[7] \"aligned\": checkpoint: expected an earlier step that makes "
       "checkpoint: mlp, attention, found \"\""},
      {"hidden_distribution { dataset: \"calibration\" }",
       "hidden_distribution { dataset: \"calibration\" checkpoint: \"aligned\" "
       "}",
       "steps[6] \"reference\": checkpoint: expected an earlier step that "
       "makes checkpoint: mlp, attention, found \"aligned\""},
      {"evaluate { dataset: \"held_out\" }", "",
       "steps[8] \"dense\": expected one of the fields of ExperimentStep"},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string text =
        absl::StrReplaceAll(kSpec, {{mistake.from, mistake.to}});
    ASSERT_NE(text, kSpec) << mistake.from;
    EXPECT_THAT(PlanSteps(SpecOf(text)).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(mistake.message)));
  }
}

TEST(PlanStepsTest, TakesAnAlignedCheckpointForACheckpoint) {
  ExperimentSpec spec = SpecOf(kSpec);
  spec.mutable_steps(8)->mutable_evaluate()->set_checkpoint("aligned");
  AlignOptions& options =
      *spec.mutable_steps(7)->mutable_align()->mutable_options();
  options.set_alignment_mode(AlignOptions::PUBLISHED);
  options.set_alignment_parts(AlignOptions::MAGNITUDE);
  options.set_realign(true);
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(spec));
  EXPECT_EQ(Inputs(steps[8]),
            "model_path=aligned dataset_dir_or_path=held_out");
  EXPECT_THAT(Arguments(steps[7]),
              HasSubstr("--alignment_mode=published "
                        "--alignment_parts=magnitude --realign=true"));
  options.set_alignment_mode(static_cast<AlignOptions::Mode>(7));
  EXPECT_THAT(PlanSteps(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("options: alignment_mode: expected ")));
}

TEST(PlanStepsTest, ComparesWithAReference) {
  ExperimentSpec spec = SpecOf(kSpec);
  EvaluationStep& evaluate = *spec.mutable_steps(8)->mutable_evaluate();
  evaluate.set_checkpoint("aligned");
  const auto inputs = [&]() -> std::string {
    const absl::StatusOr<std::vector<PlannedStep>> steps = PlanSteps(spec);
    return steps.ok() ? Inputs((*steps)[8])
                      : std::string(steps.status().message());
  };
  evaluate.set_reference("tiny");
  EXPECT_EQ(inputs(),
            "model_path=aligned dataset_dir_or_path=held_out "
            "reference_model_path=tiny");
  evaluate.set_reference("mlp");
  EXPECT_THAT(inputs(), HasSubstr("reference_model_path=mlp"));
  // A step goes before the model of the same name.
  spec.set_model("mlp");
  EXPECT_THAT(inputs(), HasSubstr("reference_model_path=mlp"));
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(spec));
  EXPECT_EQ(steps[8].inputs.back().source, InputSource::kStep);
  evaluate.set_reference("router");
  EXPECT_THAT(inputs(), HasSubstr("reference: expected an earlier step that "
                                  "makes checkpoint"));
}

TEST(PlanStepsTest, SaysThatExpertsMayShareNeurons) {
  ExperimentSpec spec = SpecOf(kSpec);
  spec.mutable_steps(2)->mutable_split()->mutable_options()->set_share_neurons(
      true);
  spec.mutable_steps(3)
      ->mutable_convert_mlp()
      ->mutable_options()
      ->set_share_neurons(true);
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(spec));
  EXPECT_THAT(Arguments(steps[2]), HasSubstr("--share_neurons=true"));
  EXPECT_THAT(Arguments(steps[3]), HasSubstr("--share_neurons=true"));
}

TEST(PlanStepsTest, RefusesASeedWhereNothingIsDrawn) {
  ExperimentSpec spec = SpecOf(kSpec);
  MlpConversionOptions& options =
      *spec.mutable_steps(3)->mutable_convert_mlp()->mutable_options();
  options.set_kind(MlpConversionOptions::RESIDUAL);
  options.set_seed(1);
  EXPECT_THAT(
      PlanSteps(spec).status(),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr(
              "seed: expected nothing, as convert_mixtral_residual has no use "
              "for it, found 1")));
}

TEST(PlanStepsTest, RefusesAnExperimentWithoutSteps) {
  ExperimentSpec spec = SpecOf(kSpec);
  spec.clear_steps();
  EXPECT_THAT(PlanSteps(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("steps: expected one or more")));
}

TEST(FindStepTest, ListsTheStepsThereAre) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<PlannedStep> steps,
                           PlanSteps(SpecOf(kSpec)));
  MOE_ASSERT_OK_AND_ASSIGN(const PlannedStep step, FindStep(steps, "mlp"));
  EXPECT_EQ(step.command(), "convert_mixtral");
  EXPECT_THAT(FindStep(steps, "nlp").status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("it has: router, scores, neurons, mlp")));
}

}  // namespace

}  // namespace moe::experiment
