// hidden_clustering and random_selection as a user runs them.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/sha256.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
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
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kModel[] = "--model_path=testdata/llama_gqa_bf16";

std::vector<std::string> Args(const std::string& command,
                              const std::string& save_path,
                              std::vector<std::string> more = {}) {
  std::vector<std::string> args = {
      command, kModel, "--dataset_dir_or_path=testdata/stories/text.jsonl",
      "--max_steps=4", "--save_path=" + save_path};
  if (command == "hidden_clustering") args.emplace_back("--n_init=2");
  for (std::string& arg : more) args.push_back(std::move(arg));
  return args;
}

class GatesCommandTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GatesCommandTest, WritesWeightsAndAReport) {
  const TempDirectory directory;
  const std::string path = directory.Path("a/b");
  const Outcome outcome =
      RunCli(Args(GetParam(), path, {"--num_experts=5", "--json"}));
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(NamesIn(path), ElementsAre("gate_weights.report.json",
                                         "gate_weights.safetensors"));
  const std::string weights = path + "/gate_weights.safetensors";
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::GateWeights gates,
      checkpoint::ReadArtifact<checkpoint::GateWeights>(weights));
  MOE_EXPECT_OK(checkpoint::ValidateGateWeights(gates, {4, 5, 128}, weights));
  EXPECT_EQ(outcome.out, FileText(path + "/gate_weights.report.json"));
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(outcome.out));
  EXPECT_EQ(report["artifact"], "gate_weights");
  EXPECT_EQ(report["sha256"], base::HexSha256Of(FileText(weights)));
  EXPECT_EQ(report["options"]["num_experts"], 5);
  EXPECT_EQ(report["layers"].size(), 4);
  EXPECT_EQ(report["num_sequences"], 4);
  int64_t routed = 0;
  for (const int64_t count : report["layers"][3]["routed_counts"]) {
    routed += count;
  }
  EXPECT_EQ(routed, report["num_tokens"]);
}

TEST_P(GatesCommandTest, PrintsATable) {
  const TempDirectory directory;
  const Outcome outcome =
      RunCli(Args(GetParam(), directory.Path("x"), {"--format=pt"}));
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("/gate_weights.safetensors: gate_weights\n"),
                    HasSubstr("sha256"), HasSubstr("  layer  "),
                    HasSubstr("routed tokens"), HasSubstr("/gate_weights.pt\n"),
                    HasSubstr("/gate_weights.report.json: report\n")));
  // Both formats hold the same.
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::GateWeights gates,
                           checkpoint::ReadArtifact<checkpoint::GateWeights>(
                               directory.Path("x/gate_weights.safetensors")));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::GateWeights from_pt,
                           checkpoint::ReadArtifact<checkpoint::GateWeights>(
                               directory.Path("x/gate_weights.pt")));
  EXPECT_EQ(gates, from_pt);
  EXPECT_THAT(gates.layers, SizeIs(4));
  EXPECT_EQ(gates.layers[0].rows(), 8);
}

TEST_P(GatesCommandTest, ReplacesOnlyWhenItIsTold) {
  const TempDirectory directory;
  const std::string path = directory.Path("x");
  ASSERT_EQ(RunCli(Args(GetParam(), path, {"--format=pt"})).exit_status, 0);
  const std::string weights = path + "/gate_weights.safetensors";
  const std::string before = FileText(weights);
  const Outcome refused = RunCli(Args(GetParam(), path, {"--seed=1"}));
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("/gate_weights.safetensors already exists"),
                    HasSubstr("pass --overwrite")));
  EXPECT_EQ(FileText(weights), before);
  ASSERT_EQ(
      RunCli(Args(GetParam(), path, {"--seed=1", "--overwrite"})).exit_status,
      0);
  EXPECT_NE(FileText(weights), before);
  // The other seed's .pt is gone.
  EXPECT_THAT(NamesIn(path), ElementsAre("gate_weights.report.json",
                                         "gate_weights.safetensors"));
  // The same command gives the same bytes.
  ASSERT_EQ(RunCli(Args(GetParam(), path, {"--overwrite"})).exit_status, 0);
  EXPECT_EQ(FileText(weights), before);
}

TEST_P(GatesCommandTest, NeverReplacesWhatIsNotItsOwn) {
  for (const std::string name : {"gate_weights.safetensors", "gate_weights.pt",
                                 "gate_weights.report.json"}) {
    const TempDirectory directory;
    const std::string file = directory.Write(name, "{\"mine\": 1}");
    const Outcome outcome =
        RunCli(Args(GetParam(), directory.path(), {"--overwrite"}));
    EXPECT_EQ(outcome.exit_status, 2) << name;
    EXPECT_THAT(outcome.err,
                AllOf(HasSubstr("/" + name + " is no "),
                      HasSubstr("--overwrite replaces nothing else")));
    EXPECT_EQ(FileText(file), "{\"mine\": 1}");
    EXPECT_THAT(NamesIn(directory.path()), ElementsAre(name));
  }
}

struct BadInput {
  std::vector<std::string> flags;
  std::string message;
};

TEST_P(GatesCommandTest, RefusesBadInputAndWritesNothing) {
  const TempDirectory directory;
  std::vector<BadInput> cases = {
      {{"--num_experts=0"}, "--num_experts"},
      {{"--num_experts=1025"}, "1 to 1024"},
      {{"--num_experts=8.5"}, "--num_experts"},
      {{"--seed=-1"}, "--seed"},
      {{"--model_max_length=1", "--num_experts=5"},
       "expected at most 4, the number of tokens, found 5"},
      {{"--memory_budget=1KiB"}, "--memory_budget="},
      {{"--format=onnx"}, "--format"},
  };
  if (GetParam() == "hidden_clustering") {
    cases.push_back({{"--balance_jitter_factor=-0.1"}, "0 to 1"});
    cases.push_back({{"--balance_jitter_factor=1.1"}, "0 to 1"});
    cases.push_back({{"--balance_jitter_factor=nan"}, "0 to 1"});
    cases.push_back({{"--max_iter=0"}, "--max_iter"});
    cases.push_back({{"--distance_metric=l1"}, "--distance_metric"});
  }
  for (const BadInput& bad : cases) {
    const Outcome outcome =
        RunCli(Args(GetParam(), directory.Path("x"), bad.flags));
    EXPECT_EQ(outcome.exit_status, 2) << bad.flags[0];
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(bad.message)) << bad.flags[0];
    EXPECT_THAT(NamesIn(directory.path()), SizeIs(0)) << bad.flags[0];
  }
}

TEST_P(GatesCommandTest, RefusesASavePathThatIsAFile) {
  const TempDirectory directory;
  const std::string file = directory.Write("file", "mine");
  const Outcome outcome = RunCli(Args(GetParam(), file));
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--save_path must be a directory"));
  EXPECT_EQ(FileText(file), "mine");
}

TEST_P(GatesCommandTest, OneExpertTakesEveryToken) {
  const TempDirectory directory;
  const Outcome outcome = RunCli(
      Args(GetParam(), directory.Path("x"), {"--num_experts=1", "--json"}));
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(outcome.out));
  EXPECT_THAT(report["layers"][0]["routed_counts"].get<std::vector<int64_t>>(),
              ElementsAre(report["num_tokens"].get<int64_t>()));
}

INSTANTIATE_TEST_SUITE_P(Both, GatesCommandTest,
                         ::testing::Values("hidden_clustering",
                                           "random_selection"),
                         [](const auto& parameter) { return parameter.param; });

// Every text is one token, which is always the same.
TEST(GatesCommandsTest, OneTokenAgainAndAgain) {
  const TempDirectory directory;
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += "{\"input_ids\": [7]}\n";
  const std::string dataset =
      "--dataset_dir_or_path=" + directory.Write("data.jsonl", lines);
  const Outcome clustered = RunCli(
      {"hidden_clustering", kModel, dataset, "--num_experts=4", "--json",
       "--balance_jitter_factor=0", "--save_path=" + directory.Path("c")});
  ASSERT_EQ(clustered.exit_status, 0) << clustered.err;
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(clustered.out));
  EXPECT_THAT(report["layers"][0]["sizes"].get<std::vector<int64_t>>(),
              Each(5));
  const Outcome selected =
      RunCli({"random_selection", kModel, dataset, "--num_experts=4",
              "--save_path=" + directory.Path("r")});
  EXPECT_EQ(selected.exit_status, 2);
  EXPECT_THAT(
      selected.err,
      HasSubstr(
          "expected at most 1, the different hidden states of 20 tokens"));
}

}  // namespace
}  // namespace moe::cli
