// run, run_step, verify, report and digest as a user runs them.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/temp_directory.h"
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
using ::testing::Not;

// Every kind of step but the naive split, on very little data.
constexpr absl::string_view kSpec = R"(
  name: "chain"
  model: "llama_gqa_bf16"
  data: "stories"
  datasets {
    name: "calibration"
    file: "text.jsonl"
    batch { seed: 3 max_steps: 4 batch_size: 2 }
  }
  datasets { name: "held_out" file: "messages.jsonl" batch { max_steps: 3 } }
  steps {
    name: "router"
    hidden_clustering {
      dataset: "calibration"
      options { num_experts: 4 balance_jitter_factor: 0.4 n_init: 1 seed: 3 }
    }
  }
  steps {
    name: "scores"
    neuron_importance { dataset: "calibration" gate_weights: "router" }
  }
  steps {
    name: "neurons"
    split { importance_scores: "scores" options { num_experts: 4 } }
  }
  steps {
    name: "mlp"
    convert_mlp {
      gate_weights: "router"
      neuron_indices: "neurons"
      options { num_experts: 4 top_k: 2 scale_factor: 2 }
    }
  }
  steps {
    name: "attention"
    convert_attention {
      checkpoint: "mlp"
      options { top_k_attn: 2 scale_factor_attn: 2 seed: 5 }
    }
  }
  steps { name: "reference" hidden_distribution { dataset: "calibration" } }
  steps {
    name: "aligned"
    align { checkpoint: "attention" distribution: "reference" dataset: "calibration" }
  }
  steps { name: "after" evaluate { checkpoint: "aligned" dataset: "held_out" } }
  criteria { metric: "after.perplexity" at_least: 1 }
)";

class ExperimentCommandsTest : public ::testing::Test {
 protected:
  std::string WriteSpec(absl::string_view text) {
    return directory_.Write("chain.textproto", text);
  }

  std::vector<std::string> Args(const std::string& command,
                                std::vector<std::string> more) {
    std::vector<std::string> args = {
        command,
        absl::StrCat("--experiment=", directory_.Path("chain.textproto")),
        "--model_path=testdata/llama_gqa_bf16",
        "--dataset_dir_or_path=testdata/stories"};
    for (std::string& arg : more) args.push_back(std::move(arg));
    return args;
  }

  Outcome Run(const std::string& name, std::vector<std::string> more = {}) {
    more.push_back(absl::StrCat("--save_path=", directory_.Path(name)));
    return RunCli(Args("run", std::move(more)));
  }

  TempDirectory directory_;
};

TEST_F(ExperimentCommandsTest, RunsAChainPinsItAndVerifiesIt) {
  WriteSpec(kSpec);
  const Outcome run = Run("out");
  EXPECT_EQ(run.err, "");
  ASSERT_EQ(run.exit_status, 0) << run.out;
  EXPECT_THAT(run.out, AllOf(HasSubstr("[1/8] router: hidden_clustering\n"),
                             HasSubstr("[8/8] after: evaluate\n"),
                             HasSubstr("met:     after.perplexity"),
                             HasSubstr("/out/aligned\n")));
  EXPECT_THAT(
      NamesIn(directory_.Path("out")),
      ElementsAre(
          "after", "after.record.textproto", "after.timing.textproto",
          "aligned", "aligned.record.textproto", "aligned.timing.textproto",
          "attention", "attention.record.textproto",
          "attention.timing.textproto", "experiment.textproto",
          "lock.textproto", "mlp", "mlp.record.textproto",
          "mlp.timing.textproto", "neurons", "neurons.record.textproto",
          "neurons.timing.textproto", "reference", "reference.record.textproto",
          "reference.timing.textproto", "report", "router",
          "router.record.textproto", "router.timing.textproto", "scores",
          "scores.record.textproto", "scores.timing.textproto"));
  EXPECT_THAT(
      NamesIn(directory_.Path("out/aligned/alignment")),
      ElementsAre("scale_factors.report.json", "scale_factors.safetensors"));

  const std::string results =
      absl::StrCat("--results=", directory_.Path("out"));
  const std::string lock = directory_.Path("chain.lock.textproto");
  const Outcome pinned =
      RunCli(Args("verify", {results, "--update_lock=" + lock}));
  ASSERT_EQ(pinned.exit_status, 0) << pinned.err;
  const Outcome verified = RunCli(Args("verify", {results, "--lock=" + lock}));
  EXPECT_EQ(verified.exit_status, 0) << verified.out;
  EXPECT_THAT(verified.out,
              AllOf(HasSubstr("router                       verified"),
                    Not(HasSubstr("DIFFERS"))));

  // A run elsewhere with less memory gives the same lock. A second run there
  // has nothing to do.
  const Outcome again =
      Run("again", {"--lock=" + lock, "--memory_budget=8MiB"});
  EXPECT_EQ(again.exit_status, 0) << again.out << again.err;
  EXPECT_EQ(FileText(directory_.Path("out/lock.textproto")),
            FileText(directory_.Path("again/lock.textproto")));
  const std::string timing =
      FileText(directory_.Path("again/scores.timing.textproto"));
  EXPECT_THAT(timing, HasSubstr("cpu_seconds: "));
  const Outcome third = Run("again", {"--lock=" + lock});
  EXPECT_EQ(third.exit_status, 0) << third.err;
  EXPECT_THAT(
      third.out,
      HasSubstr(
          "[2/8] scores: split_gradient_get_grads\n  was there already: "));
  // A step that is not run again keeps its timing.
  EXPECT_EQ(FileText(directory_.Path("again/scores.timing.textproto")), timing);

  // With another seed, the first step that uses it is the first to diverge.
  WriteSpec(absl::StrReplaceAll(kSpec, {{"seed: 5", "seed: 6"}}));
  const Outcome other = Run("again", {"--lock=" + lock});
  EXPECT_EQ(other.exit_status, 1) << other.err;
  EXPECT_THAT(
      other.out,
      AllOf(HasSubstr("[4/8] mlp: convert_mixtral\n  was there already: "),
            HasSubstr("mlp                          verified"),
            HasSubstr("attention                    DIFFERS"),
            HasSubstr("The first step that diverged is attention."),
            HasSubstr("--seed=6; pinned is"), HasSubstr("the spec is not")));
}

TEST_F(ExperimentCommandsTest, AStepInPartsHasTheSameRecord) {
  WriteSpec(kSpec);
  const auto step = [&](const std::string& name, const std::string& path,
                        std::vector<std::string> more) {
    more.push_back("--step=" + name);
    more.push_back(absl::StrCat("--save_path=", directory_.Path(path)));
    const Outcome outcome = RunCli(Args("run_step", std::move(more)));
    EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  };
  const std::string made =
      absl::StrCat("--made=router=", directory_.Path("router"));
  step("router", "router", {});
  step("scores", "whole", {made});
  const auto timing = [&](const std::string& path) {
    return absl::StrCat("--timing_out=", directory_.Path(path),
                        ".timing.textproto");
  };
  step("scores", "part0", {made, "--shards=2", "--shard=0", timing("part0")});
  step("scores", "part1", {made, "--shards=2", "--shard=1", timing("part1")});
  step("scores", "merged",
       {made, timing("merged"),
        absl::StrCat("--merge=", directory_.Path("part0")),
        absl::StrCat("--merge=", directory_.Path("part1"))});
  EXPECT_THAT(FileText(directory_.Path("merged.timing.textproto")),
              AllOf(HasSubstr("num_parts: 2"), HasSubstr("wall_seconds: ")));
  EXPECT_EQ(FileText(directory_.Path("whole/importance_scores.safetensors")),
            FileText(directory_.Path("merged/importance_scores.safetensors")));
  step("reference", "reference", {});
  step("reference", "reference0", {"--shards=2", "--shard=0"});
  step("reference", "reference1", {"--shards=2", "--shard=1"});
  step("reference", "reference_merged",
       {absl::StrCat("--merge=", directory_.Path("reference0")),
        absl::StrCat("--merge=", directory_.Path("reference1"))});
  step("reference", "taken",
       {timing("taken"),
        absl::StrCat("--take=", directory_.Path("reference_merged"))});
  EXPECT_THAT(FileText(directory_.Path("taken.timing.textproto")),
              HasSubstr("taken: true"));
  EXPECT_EQ(FileText(directory_.Path("reference/distribution.safetensors")),
            FileText(directory_.Path("taken/distribution.safetensors")));
  EXPECT_EQ(FileText(directory_.Path("reference_merged.record.textproto")),
            FileText(directory_.Path("taken.record.textproto")));
}

TEST_F(ExperimentCommandsTest, DryRunPrintsCommandsAndCosts) {
  WriteSpec(kSpec);
  const Outcome outcome = RunCli(Args("run", {"--dry_run"}));
  EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("llama_moe hidden_clustering"),
            HasSubstr("--gate_weights_file=SAVE_PATH/router/gate_weights."),
            HasSubstr("--report_out=SAVE_PATH/after/evaluation.report.json"),
            HasSubstr("Estimates:"), HasSubstr("FLOP")));
  EXPECT_THAT(NamesIn(directory_.path()), ElementsAre("chain.textproto"));
}

TEST_F(ExperimentCommandsTest, ErrorsNameWhatIsWrong) {
  WriteSpec(absl::StrCat(kSpec, "\nsteep {}"));
  EXPECT_THAT(Run("out").err,
              AllOf(HasSubstr("chain.textproto:"), HasSubstr("steep")));
  WriteSpec(absl::StrReplaceAll(kSpec, {{"top_k: 2", "top_k: 9"}}));
  EXPECT_THAT(
      Run("out").err,
      AllOf(HasSubstr("chain.textproto: steps[3] \"mlp\": options: "),
            HasSubstr("top_k: expected 1 to 4 (num_experts), found 9")));
  WriteSpec(kSpec);
  EXPECT_THAT(RunCli(Args("run", {})).err, HasSubstr("--save_path is missing"));
  EXPECT_THAT(Run("out", {"--lock=no/such"}).err, HasSubstr("no/such"));
  EXPECT_THAT(RunCli(Args("run_step", {"--step=router", "--save_path=x",
                                       "--memory_budget=little"}))
                  .err,
              HasSubstr("--memory_budget: expected an amount of memory"));
  EXPECT_THAT(RunCli(Args("run_step", {"--step=nlp", "--save_path=x"})).err,
              HasSubstr("has no step \"nlp\""));
  EXPECT_THAT(RunCli(Args("run_step", {"--step=scores", "--save_path=x"})).err,
              HasSubstr("step \"router\""));
  EXPECT_THAT(RunCli(Args("run_step",
                          {"--step=router", "--save_path=x", "--made=router"}))
                  .err,
              HasSubstr("expected STEP=DIRECTORY"));
  EXPECT_THAT(RunCli(Args("run_step", {"--step=router", "--save_path=x",
                                       "--take=y", "--merge=z"}))
                  .err,
              HasSubstr("--take: expected neither"));
  EXPECT_THAT(RunCli(Args("verify", {"--results=x"})).err,
              HasSubstr("x/router.record.textproto"));
  // An error of a step names the step and its command.
  WriteSpec(absl::StrReplaceAll(
      kSpec, {{"num_experts: 4 top_k", "num_experts: 2 top_k"}}));
  EXPECT_THAT(Run("out").err,
              AllOf(HasSubstr("step \"mlp\": convert_mixtral: "),
                    HasSubstr("neuron_indices.safetensors")));
  EXPECT_THAT(NamesIn(directory_.path()),
              ElementsAre("chain.textproto", "out"));
}

TEST_F(ExperimentCommandsTest, ReportsOnResults) {
  WriteSpec(kSpec);
  const Outcome run = Run("out");
  ASSERT_EQ(run.exit_status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("/out/report/report.html\n"));
  const std::string json = FileText(directory_.Path("out/report/report.json"));
  EXPECT_THAT(json,
              AllOf(HasSubstr("\"status\": \"none\""),
                    HasSubstr("llama_moe run --experiment=chain.textproto "
                              "\\\\\\n  --model_path=MODEL "
                              "\\\\\\n  --dataset_dir_or_path=DATA "),
                    HasSubstr("\"wall_seconds\"")));

  const auto report = [&](const std::string& name,
                          std::vector<std::string> more) {
    more.insert(
        more.begin(),
        {"report",
         absl::StrCat("--experiment=", directory_.Path("chain.textproto")),
         absl::StrCat("--results=", directory_.Path("out")),
         absl::StrCat("--save_path=", directory_.Path(name))});
    return RunCli(more);
  };
  const std::string lock =
      absl::StrCat("--lock=", directory_.Path("out/lock.textproto"));
  const Outcome whole = report("whole", {lock, "--target=//my:chain"});
  ASSERT_EQ(whole.exit_status, 0) << whole.err;
  EXPECT_EQ(whole.out,
            absl::StrCat(directory_.Path("whole/report.html"), "\n",
                         directory_.Path("whole/report.json"), "\n"));
  const std::string text = FileText(directory_.Path("whole/report.json"));
  EXPECT_THAT(text, AllOf(HasSubstr("\"status\": \"verified\""),
                          HasSubstr("./bazelw run //my:chain"),
                          HasSubstr(" --lock=lock.textproto "),
                          Not(HasSubstr(directory_.path()))));
  // With model and data, the report finds the same files there.
  const Outcome again =
      report("again", {lock, "--model_path=testdata/llama_gqa_bf16",
                       "--dataset_dir_or_path=testdata/stories"});
  ASSERT_EQ(again.exit_status, 0) << again.err;
  EXPECT_THAT(FileText(directory_.Path("again/report.json")),
              AllOf(HasSubstr("\"status\": \"verified\""),
                    HasSubstr("tokenizer.json")));
  EXPECT_THAT(text, HasSubstr("tokenizer.json"));

  EXPECT_THAT(report("whole", {}).err, HasSubstr("whole"));
  EXPECT_EQ(report("whole", {"--overwrite"}).exit_status, 0);
  EXPECT_THAT(report("x", {"--model_path=y"}).err,
              HasSubstr("or neither, found one"));
  directory_.Write("out/mlp/config.json", "{}");
  EXPECT_THAT(report("x", {}).err, HasSubstr("expected what its step made"));
}

TEST_F(ExperimentCommandsTest, FailsWhereACriterionIsNotMet) {
  WriteSpec(absl::StrReplaceAll(kSpec, {{"at_least: 1", "at_most: 0.5"}}));
  const Outcome run = Run("out");
  EXPECT_EQ(run.exit_status, 1);
  EXPECT_THAT(run.out, HasSubstr("NOT MET: after.perplexity is "));
  EXPECT_THAT(
      FileText(directory_.Path("out/report/report.html")),
      AllOf(HasSubstr("is not at most 0.5000"), HasSubstr("\"met\": false")));
  const std::string lock = directory_.Path("lock");
  EXPECT_THAT(
      RunCli(Args("verify", {absl::StrCat("--results=", directory_.Path("out")),
                             "--update_lock=" + lock}))
          .err,
      HasSubstr("are not pinned"));
  EXPECT_FALSE(std::filesystem::exists(lock));
}

TEST(DigestCommandTest, PrintsAndCompares) {
  // sha256sum of the lines "SHA256  config.json" and "SHA256
  // model.safetensors", which testdata/README.md lists.
  const std::string want =
      "1f6ca7feef83ede0ac984d57e12d9e1981d353fb8e29a97e961f5d669a8ac514";
  const Outcome printed = RunCli({"digest", "testdata/llama_gqa_bf16"});
  EXPECT_EQ(printed.exit_status, 0) << printed.err;
  EXPECT_EQ(printed.out, want + "  testdata/llama_gqa_bf16\n");
  EXPECT_EQ(RunCli({"digest", "testdata/llama_gqa_bf16", "--expected=" + want})
                .exit_status,
            0);
  const Outcome differs = RunCli(
      {"digest", "testdata/llama_gqa_bf16/config.json", "--expected=" + want});
  EXPECT_EQ(differs.exit_status, 1);
  EXPECT_THAT(differs.out,
              AllOf(HasSubstr("3c5542c1df5734fd27a5767a59e3057ca8d48f3c855b0d7c"
                              "2754a6142bb3ab0e"),
                    HasSubstr("was expected")));
  EXPECT_THAT(RunCli({"digest", "testdata", "--expected=12"}).err,
              HasSubstr("expected 64 hexadecimal digits"));
}

}  // namespace
}  // namespace moe::cli
