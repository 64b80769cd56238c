// split_gradient_get_grads and the neuron splits as a user runs them.

#include <algorithm>
#include <cstdint>
#include <filesystem>
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
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
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
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kModel[] = "--model_path=testdata/llama_gqa_bf16";

// Makes router weights of `num_experts` experts. Returns the file's path.
std::string MakeGates(const TempDirectory& directory, int num_experts = 6) {
  const std::string path = directory.Path(absl::StrCat("gates", num_experts));
  if (std::filesystem::exists(path)) return path + "/gate_weights.safetensors";
  EXPECT_EQ(RunCli({"random_selection", kModel,
                    "--dataset_dir_or_path=testdata/stories/text.jsonl",
                    "--max_steps=4", "--save_path=" + path,
                    absl::StrCat("--num_experts=", num_experts)})
                .exit_status,
            0);
  return path + "/gate_weights.safetensors";
}

Outcome GetGrads(const std::string& gates, const std::string& save_path,
                 std::vector<std::string> more = {}) {
  std::vector<std::string> args = {
      "split_gradient_get_grads",
      kModel,
      "--dataset_dir_or_path=testdata/stories/text.jsonl",
      "--max_steps=3",
      "--batch_size=2",
      "--gate_weights_file=" + gates,
      "--save_path=" + save_path};
  for (std::string& arg : more) args.push_back(std::move(arg));
  return RunCli(args);
}

std::string MakeScores(const TempDirectory& directory, int num_experts = 6) {
  const std::string path = directory.Path(absl::StrCat("scores", num_experts));
  const Outcome outcome = GetGrads(MakeGates(directory, num_experts), path);
  EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
  return path + "/importance_scores.safetensors";
}

TEST(GetGradsCommandTest, WritesScoresAndAReport) {
  const TempDirectory directory;
  const std::string path = directory.Path("x");
  const Outcome outcome =
      GetGrads(MakeGates(directory), path, {"--format=pt", "--json"});
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(NamesIn(path), ElementsAre("importance_scores.pt",
                                         "importance_scores.report.json",
                                         "importance_scores.safetensors"));
  const std::string file = path + "/importance_scores.safetensors";
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::ImportanceScores scores,
      checkpoint::ReadArtifact<checkpoint::ImportanceScores>(file));
  MOE_EXPECT_OK(
      checkpoint::ValidateImportanceScores(scores, {4, 6, 384}, file));
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(outcome.out));
  EXPECT_EQ(report["sha256"], base::HexSha256Of(FileText(file)));
  EXPECT_EQ(report["num_sequences"], 6);
  EXPECT_EQ(report["num_clusters"], 6);
  EXPECT_EQ(report["layers"].size(), 4u);
  EXPECT_EQ(report["layers"][2]["token_counts"],
            base::Json(*scores.layers[2].token_count));
  // The fixture was trained on the stories.
  EXPECT_LT(report["loss"].get<double>(), 0.5);
}

TEST(GetGradsCommandTest, PartsMergeToTheSameBytes) {
  const TempDirectory directory;
  const std::string gates = MakeGates(directory);
  const std::string whole = directory.Path("whole");
  ASSERT_EQ(GetGrads(gates, whole).exit_status, 0);
  const std::string parts = directory.Path("parts");
  std::vector<std::string> merge = {"split_gradient_get_grads",
                                    "--save_path=" + directory.Path("merged"),
                                    "--merge"};
  for (const int shard : {2, 0, 1}) {
    const Outcome outcome =
        GetGrads(gates, parts, {"--shards=3", absl::StrCat("--shard=", shard)});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr(absl::StrCat("part-", shard, "-of-3")));
    merge.push_back(absl::StrCat(parts, "/importance_scores.part-", shard,
                                 "-of-3.safetensors"));
  }
  const Outcome outcome = RunCli(merge);
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("parts merged"));
  EXPECT_EQ(
      FileText(directory.Path("merged") + "/importance_scores.safetensors"),
      FileText(whole + "/importance_scores.safetensors"));

  merge.pop_back();
  merge[1] = "--save_path=" + directory.Path("none");
  const Outcome missing = RunCli(merge);
  EXPECT_EQ(missing.exit_status, 2);
  EXPECT_THAT(missing.err,
              HasSubstr("expected 3 parts, found 2: shard 1 is missing"));
  EXPECT_THAT(NamesIn(directory.Path("none")), IsEmpty());
}

TEST(GetGradsCommandTest, PartsOfOtherInputsDoNotMerge) {
  const TempDirectory directory;
  const std::string gates = MakeGates(directory);
  ASSERT_EQ(GetGrads(gates, directory.Path("a"), {"--shards=2", "--shard=0"})
                .exit_status,
            0);
  ASSERT_EQ(GetGrads(gates, directory.Path("b"),
                     {"--shards=2", "--shard=1", "--model_max_length=64"})
                .exit_status,
            0);
  const Outcome outcome = RunCli(
      {"split_gradient_get_grads", "--save_path=" + directory.Path("x"),
       "--merge", directory.Path("a/importance_scores.part-0-of-2.safetensors"),
       directory.Path("b/importance_scores.part-1-of-2.safetensors")});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("found different inputs"));
}

TEST(GetGradsCommandTest, FlagsThatDoNotGoTogetherAreErrors) {
  const TempDirectory directory;
  const std::string gates = MakeGates(directory), path = directory.Path("x");
  const auto expect = [&](std::vector<std::string> more, const char* text) {
    const Outcome outcome = GetGrads(gates, path, std::move(more));
    EXPECT_EQ(outcome.exit_status, 2);
    EXPECT_THAT(outcome.err, HasSubstr(text));
    EXPECT_THAT(NamesIn(path), IsEmpty());
  };
  expect({"--shards=2"}, "--shard: expected the part to make");
  expect({"--shard=0"}, "--shards: expected the number of parts");
  expect({"--shards=2", "--shard=2"}, "shard: expected 0 to 1, found 2");
  expect({"--shards=2", "--shard=0", "--format=pt"}, "give it with --merge");
  expect({"--merge=a"}, "expected --model_path or --merge, found both");
  const Outcome nothing =
      RunCli({"split_gradient_get_grads", "--save_path=" + path});
  EXPECT_EQ(nothing.exit_status, 2);
  EXPECT_THAT(nothing.err, HasSubstr("--model_path=TEXT is missing"));
  const Outcome missing = GetGrads(directory.Path("none"), path);
  EXPECT_EQ(missing.exit_status, 2);
  EXPECT_THAT(missing.err, HasSubstr("/none"));
}

TEST(GetGradsCommandTest, GatesOfAnotherModelAreRefused) {
  const TempDirectory directory;
  const std::string path = directory.Path("x");
  const std::string gates = MakeGates(directory);
  const Outcome outcome = RunCli(
      {"split_gradient_get_grads", "--model_path=testdata/llama_headdim_f16",
       "--dataset_dir_or_path=testdata/stories/text.jsonl", "--max_steps=1",
       "--gate_weights_file=" + gates, "--save_path=" + path});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(gates), HasSubstr("layers")));
  EXPECT_THAT(NamesIn(path), IsEmpty());
}

TEST(GetGradsCommandTest, PartsReplaceOnlyTheirOwnKind) {
  const TempDirectory directory;
  const std::string gates = MakeGates(directory), path = directory.Path("x");
  const std::vector<std::string> part = {"--shards=2", "--shard=0"};
  ASSERT_EQ(GetGrads(gates, path, part).exit_status, 0);
  const std::string name = "importance_scores.part-0-of-2.safetensors";
  EXPECT_THAT(NamesIn(path), ElementsAre(name));
  const std::string before = FileText(path + "/" + name);
  const Outcome again = GetGrads(gates, path, part);
  EXPECT_EQ(again.exit_status, 2);
  EXPECT_THAT(again.err, HasSubstr("already exists"));
  std::vector<std::string> over = part;
  over.emplace_back("--overwrite");
  ASSERT_EQ(GetGrads(gates, path, over).exit_status, 0);
  EXPECT_EQ(FileText(path + "/" + name), before);
  const std::string mine = directory.Write(name, "mine");
  const Outcome foreign = GetGrads(gates, directory.path(), over);
  EXPECT_EQ(foreign.exit_status, 2);
  EXPECT_THAT(foreign.err, HasSubstr("--overwrite replaces nothing else"));
  EXPECT_EQ(FileText(mine), "mine");
}

TEST(GetGradsCommandTest, ADamagedPartIsRefused) {
  const TempDirectory directory;
  const std::string gates = MakeGates(directory), path = directory.Path("x");
  ASSERT_EQ(GetGrads(gates, path, {"--shards=1", "--shard=0"}).exit_status, 0);
  const std::string file = path + "/importance_scores.part-0-of-1.safetensors";
  const std::string whole = FileText(file);
  std::string flipped = whole;
  flipped[flipped.size() - 200] ^= 1;
  for (const std::string& text : {flipped, whole.substr(0, whole.size() - 1)}) {
    const std::string damaged = directory.Write("damaged", text);
    const Outcome outcome =
        RunCli({"split_gradient_get_grads",
                "--save_path=" + directory.Path("y"), "--merge", damaged});
    EXPECT_EQ(outcome.exit_status, 2);
    EXPECT_THAT(outcome.err, HasSubstr(damaged));
    EXPECT_THAT(NamesIn(directory.Path("y")), IsEmpty());
  }
  const Outcome good =
      RunCli({"split_gradient_get_grads", "--format=pt",
              "--save_path=" + directory.Path("y"), "--merge", file});
  EXPECT_EQ(good.exit_status, 0) << good.err;
  EXPECT_THAT(
      NamesIn(directory.Path("y")),
      ElementsAre("importance_scores.pt", "importance_scores.report.json",
                  "importance_scores.safetensors"));
}

TEST(GetGradsCommandTest, NoLabelIsNoScore) {
  const TempDirectory directory;
  const std::string path = directory.Path("x");
  const Outcome outcome =
      GetGrads(MakeGates(directory), path, {"--model_max_length=1"});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err,
              HasSubstr("expected at least one token that predicts a label"));
  EXPECT_THAT(NamesIn(path), IsEmpty());
}

TEST(SplitCommandsTest, VanillaIsAPartition) {
  const TempDirectory directory;
  const std::string scores = MakeScores(directory);
  const Outcome outcome =
      RunCli({"split_gradient", "--score_file=" + scores, "--num_experts=6",
              kModel, "--save_path=" + directory.Path("x"), "--format=pt"});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("neuron_indices"), HasSubstr("wanted")));
  const std::string file = directory.Path("x/neuron_indices.safetensors");
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::NeuronIndices indices,
      checkpoint::ReadArtifact<checkpoint::NeuronIndices>(file));
  MOE_EXPECT_OK(checkpoint::ValidateNeuronIndices(indices, {4, 6, 384}, file));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::NeuronIndices from_pt,
                           checkpoint::ReadArtifact<checkpoint::NeuronIndices>(
                               directory.Path("x/neuron_indices.pt")));
  EXPECT_EQ(indices, from_pt);
}

TEST(SplitCommandsTest, ResidualTakesItsShare) {
  const TempDirectory directory;
  const std::string scores = MakeScores(directory, 7);
  const Outcome outcome = RunCli(
      {"split_gradient_residual", "--score_file=" + scores, "--criterion=min",
       "--save_path=" + directory.Path("x"), "--json"});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  const std::string file = directory.Path("x/neuron_indices.safetensors");
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::NeuronIndices indices,
      checkpoint::ReadArtifact<checkpoint::NeuronIndices>(file));
  checkpoint::NeuronIndicesShape shape{4, 7, 384, /*residual=*/true,
                                       /*shared=*/false};
  MOE_EXPECT_OK(checkpoint::ValidateNeuronIndices(indices, shape, file));
  EXPECT_THAT(*indices.layers[0].residual, SizeIs(48));
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(outcome.out));
  EXPECT_EQ(report["options"]["criterion"], "min");
  EXPECT_EQ(report["layers"][1]["residual_size"], 48);
  EXPECT_THAT(report["layers"][1]["wanted"], SizeIs(8));
}

TEST(SplitCommandsTest, NaiveSplitsNeedTheModelOnly) {
  const TempDirectory directory;
  for (const std::string step : {"split_sequential", "split_random"}) {
    const std::string path = directory.Path(step);
    const Outcome outcome =
        RunCli({step, kModel, "--num_experts=8", "--save_path=" + path});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
    const std::string file = path + "/neuron_indices.safetensors";
    MOE_ASSERT_OK_AND_ASSIGN(
        const checkpoint::NeuronIndices indices,
        checkpoint::ReadArtifact<checkpoint::NeuronIndices>(file));
    MOE_EXPECT_OK(
        checkpoint::ValidateNeuronIndices(indices, {4, 8, 384}, file));
    EXPECT_EQ(indices.layers[0].experts.Row(0)[47] == 47,
              step == "split_sequential");
  }
}

TEST(SplitCommandsTest, WhatDoesNotFitIsRefusedBeforeAnythingIsWritten) {
  const TempDirectory directory;
  const std::string scores = MakeScores(directory);
  const std::string save = "--save_path=" + directory.Path("x");
  const auto expect = [&](std::vector<std::string> args, const char* text) {
    args.push_back(save);
    const Outcome outcome = RunCli(args);
    EXPECT_EQ(outcome.exit_status, 2);
    EXPECT_THAT(outcome.err, HasSubstr(text));
    EXPECT_THAT(NamesIn(directory.Path("x")), IsEmpty());
  };
  const std::string file = "--score_file=" + scores;
  expect({"split_gradient", file, "--num_experts=8"}, scores.c_str());
  expect({"split_gradient", file, "--num_experts=6", "--expert_size=385"},
         "found 385");
  expect({"split_gradient", file, "--num_experts=6", "--expert_size=50"},
         "set share_neurons");
  expect({"split_gradient", file, "--num_experts=6",
          "--model_path=testdata/llama_headdim_f16"},
         scores.c_str());
  expect({"split_sequential", "--model_path=testdata/moe/vanilla"},
         "found a Mixture of Experts");
  expect({"split_gradient_residual", file, "--num_experts_moe=6"},
         "expected a multiple of 7 experts");
  expect({"split_gradient", "--score_file=" + directory.Path("none")}, "/none");
  expect({"split_gradient", "--score_file=" + MakeGates(directory)},
         "gate_weights");
  expect({"split_sequential", kModel, "--num_experts=5"},
         "expected a multiple of 5 experts");
}

}  // namespace
}  // namespace moe::cli
