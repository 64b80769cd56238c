// split_activation_rate as a user runs it, and the conversion of what it makes.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/sha256.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "tools/cli/testing/files.h"
#include "tools/cli/testing/run_cli.h"

namespace moe::cli {
namespace {

using ::moe::base::testing::TempDirectory;
using ::moe::cli::testing::FileText;
using ::moe::cli::testing::NamesIn;
using ::moe::cli::testing::Outcome;
using ::moe::cli::testing::RunCli;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// 4 layers, hidden size 128, 384 neurons.
constexpr char kModel[] = "--model_path=testdata/llama_gqa_bf16";

// A flag of `more` replaces the flag of the same name.
std::vector<std::string> Args(const std::string& save_path,
                              const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {
      "split_activation_rate",
      kModel,
      "--dataset_dir_or_path=testdata/stories/text.jsonl",
      "--max_steps=4",
      "--num_shared_neurons=96",
      "--num_experts=12",
      "--top_k=2",
      "--iterations=2",
      "--save_path=" + save_path};
  for (const std::string& flag : more) {
    const std::string name = flag.substr(0, flag.find('='));
    const auto same =
        std::find_if(args.begin(), args.end(), [&](const std::string& arg) {
          return arg.substr(0, arg.find('=')) == name;
        });
    if (same == args.end()) {
      args.push_back(flag);
    } else {
      *same = flag;
    }
  }
  return args;
}

TEST(SplitActivationRateCommandTest, WritesBothArtifactsAndTheirReports) {
  const TempDirectory directory;
  const std::string path = directory.Path("a/b");
  const Outcome outcome = RunCli(Args(path, {"--json"}));
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(
      NamesIn(path),
      ElementsAre("gate_weights.report.json", "gate_weights.safetensors",
                  "neuron_indices.report.json", "neuron_indices.safetensors"));
  const std::string gates = path + "/gate_weights.safetensors";
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::GateWeights routers,
      checkpoint::ReadArtifact<checkpoint::GateWeights>(gates));
  MOE_EXPECT_OK(checkpoint::ValidateGateWeights(routers, {4, 12, 128}, gates));
  const std::string neurons = path + "/neuron_indices.safetensors";
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::NeuronIndices indices,
      checkpoint::ReadArtifact<checkpoint::NeuronIndices>(neurons));
  MOE_EXPECT_OK(checkpoint::ValidateNeuronIndices(
      indices, {4, 12, 384, /*residual=*/true, /*shared=*/false}, neurons));
  EXPECT_THAT(*indices.layers[0].residual, SizeIs(96));
  MOE_ASSERT_OK_AND_ASSIGN(base::Json report,
                           base::ParseJsonObject(outcome.out));
  const base::Json artifacts = report["artifacts"];
  ASSERT_EQ(artifacts.size(), 2u);
  EXPECT_EQ(report["options"]["num_shared_neurons"], 96);
  EXPECT_EQ(report["options"]["activated_neurons"], 10);
  EXPECT_EQ(report["layers"][0]["representatives"].size(), 12u);
  EXPECT_EQ(report["layers"].size(), 4u);
  EXPECT_EQ(report["num_sequences"], 4);
  // Beside each artifact lies the same report, with its own digest.
  report.erase("artifacts");
  for (const auto& [at, name] :
       {std::pair(0, "gate_weights"), std::pair(1, "neuron_indices")}) {
    EXPECT_EQ(artifacts[at]["artifact"], name);
    EXPECT_EQ(artifacts[at]["sha256"], base::HexSha256Of(FileText(absl::StrCat(
                                           path, "/", name, ".safetensors"))));
    base::Json whole = artifacts[at];
    whole.update(report);
    EXPECT_EQ(FileText(absl::StrCat(path, "/", name, ".report.json")),
              base::FormatJson(whole));
  }
}

TEST(SplitActivationRateCommandTest, PrintsATable) {
  const TempDirectory directory;
  const Outcome outcome = RunCli(Args(directory.Path("x"), {"--format=pt"}));
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("/gate_weights.safetensors: gate_weights\n"),
            HasSubstr("/neuron_indices.safetensors: neuron_indices\n"),
            HasSubstr("/gate_weights.pt\n"), HasSubstr("/neuron_indices.pt\n"),
            HasSubstr("96 + 12 x 24"), HasSubstr("shared rates"),
            HasSubstr("/neuron_indices.report.json: report\n")));
}

// The conversion neither loses nor repeats a neuron. So all experts together,
// at equal weights, are the dense model.
TEST(SplitActivationRateCommandTest,
     ConvertsToTheDenseModelIfATokenHasAllExperts) {
  const TempDirectory directory;
  Outcome outcome =
      RunCli(Args(directory.Path("split"), {"--router_scale=1e-30"}));
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  outcome = RunCli({"convert_mixtral_residual", kModel,
                    "--gate_weights_file=" +
                        directory.Path("split/gate_weights.safetensors"),
                    "--neuron_indices_file=" +
                        directory.Path("split/neuron_indices.safetensors"),
                    "--num_experts=12", "--top_k=12", "--scale_factor=12",
                    "--save_path=" + directory.Path("moe")});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  const auto loss = [&](const std::string& model) {
    const Outcome evaluated = RunCli(
        {"evaluate", "--model_path=" + model, "--json",
         "--dataset_dir_or_path=testdata/stories/text.jsonl", "--max_steps=4"});
    EXPECT_EQ(evaluated.exit_status, 0) << evaluated.err;
    const auto report = base::ParseJsonObject(evaluated.out);
    return report.ok() ? (*report)["loss"].get<double>() : -1.0;
  };
  EXPECT_NEAR(loss(directory.Path("moe")), loss("testdata/llama_gqa_bf16"),
              1e-5);
}

TEST(SplitActivationRateCommandTest, GivesTheSameBytesAgain) {
  const TempDirectory directory;
  const std::string path = directory.Path("x");
  ASSERT_EQ(RunCli(Args(path)).exit_status, 0);
  const std::string gates = path + "/gate_weights.safetensors";
  const std::string before = FileText(gates);
  const Outcome refused = RunCli(Args(path, {"--activated_neurons=40"}));
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("/gate_weights.safetensors already exists"),
                    HasSubstr("pass --overwrite")));
  EXPECT_EQ(FileText(gates), before);
  ASSERT_EQ(
      RunCli(Args(path, {"--activated_neurons=40", "--overwrite"})).exit_status,
      0);
  EXPECT_NE(FileText(gates), before);
  ASSERT_EQ(RunCli(Args(path, {"--overwrite"})).exit_status, 0);
  EXPECT_EQ(FileText(gates), before);
}

struct BadInput {
  std::vector<std::string> flags;
  std::string message;
};

TEST(SplitActivationRateCommandTest, RefusesBadInputAndWritesNothing) {
  const TempDirectory directory;
  const BadInput cases[] = {
      {{"--num_experts=0"}, "expected a whole number, 1 to 1024, found"},
      {{"--num_experts=1025"}, "1 to 1024"},
      {{"--num_experts=13"},
       "num_experts: expected a divisor of 288, the neurons that 96 shared "
       "ones leave of 384, found 13"},
      {{"--expert_size=23"}, "found experts of 23"},
      {{"--num_shared_neurons=384"}, "num_shared_neurons: expected fewer"},
      {{"--top_k=13"}, "expected at most num_experts, 12, found 13"},
      {{"--activated_neurons=0"}, "--activated_neurons"},
      {{"--activated_neurons=385"},
       "activated_neurons: expected at most the intermediate size, 384, found "
       "385"},
      {{"--router_scale=0"}, "--router_scale"},
      {{"--iterations=0"}, "--iterations"},
      {{"--model_max_length=2"},
       "expected at most 8, the number of tokens, found 12"},
      {{"--model_max_length=4"},
       "num_shared_neurons: expected at most 16, the number of tokens, found "
       "96"},
      {{"--memory_budget=1KiB"}, "--memory_budget="},
  };
  for (const BadInput& bad : cases) {
    const Outcome outcome = RunCli(Args(directory.Path("x"), bad.flags));
    EXPECT_EQ(outcome.exit_status, 2) << bad.flags[0];
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(bad.message)) << bad.flags[0];
    EXPECT_THAT(NamesIn(directory.path()), SizeIs(0)) << bad.flags[0];
  }
}

}  // namespace
}  // namespace moe::cli
