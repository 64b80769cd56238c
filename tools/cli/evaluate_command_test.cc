// evaluate as a user runs it on a checkpoint with experts.

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/temp_directory.h"
#include "tools/cli/testing/files.h"
#include "tools/cli/testing/run_cli.h"

namespace moe::cli {
namespace {

using ::moe::base::testing::TempDirectory;
using ::moe::cli::testing::FileText;
using ::moe::cli::testing::Outcome;
using ::moe::cli::testing::RunCli;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// 9 + 20 tokens of a vocabulary of 64.
std::string WriteTokens(const TempDirectory& directory) {
  std::string lines;
  for (const int length : {9, 20}) {
    std::vector<std::string> ids;
    for (int t = 0; t < length; ++t) {
      ids.push_back(absl::StrCat((7 * t + length) % 64));
    }
    absl::StrAppend(&lines, "{\"input_ids\": [", absl::StrJoin(ids, ", "),
                    "]}\n");
  }
  directory.Write("tokens.jsonl", lines);
  return directory.Path("tokens.jsonl");
}

Outcome Evaluate(const std::string& model, const std::string& dataset,
                 std::vector<std::string> more = {}) {
  std::vector<std::string> args = {"evaluate",
                                   "--model_path=testdata/moe/" + model,
                                   "--dataset_dir_or_path=" + dataset};
  args.insert(args.end(), more.begin(), more.end());
  return RunCli(args);
}

int64_t SumOf(const base::Json& counts) {
  const auto values = counts.get<std::vector<int64_t>>();
  return std::accumulate(values.begin(), values.end(), int64_t{0});
}

TEST(EvaluateCommandTest, TellsTheLoadOfEveryExpert) {
  const TempDirectory directory;
  const std::string dataset = WriteTokens(directory);
  const Outcome outcome = Evaluate("aligned", dataset, {"--json"});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  const base::Json report = base::Json::parse(outcome.out);
  EXPECT_EQ(report["num_tokens"], 29);
  const base::Json& load = report["expert_load"];
  ASSERT_THAT(load, SizeIs(2));  // Contract layers at the ends.
  for (const int64_t layer : {1, 2}) {
    const base::Json& of_layer = load[static_cast<size_t>(layer - 1)];
    EXPECT_EQ(of_layer["layer"], layer);
    for (const char* block : {"mlp", "attention"}) {
      EXPECT_THAT(of_layer[block], SizeIs(4));
      EXPECT_EQ(SumOf(of_layer[block]), 2 * 29);
    }
  }
  const Outcome table = Evaluate("aligned", dataset);
  ASSERT_EQ(table.exit_status, 0) << table.err;
  EXPECT_THAT(table.out,
              AllOf(HasSubstr("expert load, tokens\n    layer  1 attention  "),
                    HasSubstr("\n    layer  2 MLP        "),
                    HasSubstr(" of the mean)\n")));
}

TEST(EvaluateCommandTest, HasNoLoadWithoutExperts) {
  const TempDirectory directory;
  const std::string dataset = WriteTokens(directory);
  const Outcome outcome =
      RunCli({"evaluate", "--model_path=testdata/llama_gqa_bf16",
              "--dataset_dir_or_path=" + dataset});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("expert load")));
}

TEST(EvaluateCommandTest, TellsTheDivergenceFromAReference) {
  const TempDirectory directory;
  const std::string dataset = WriteTokens(directory);
  const Outcome alone = Evaluate("vanilla", dataset, {"--json"});
  EXPECT_THAT(alone.out, Not(HasSubstr("kl_divergence")));
  const std::string reference = "--reference_model_path=testdata/moe/";
  const Outcome other =
      Evaluate("vanilla", dataset, {reference + "residual", "--json"});
  ASSERT_EQ(other.exit_status, 0) << other.err;
  const base::Json report = base::Json::parse(other.out);
  EXPECT_EQ(report["loss"], base::Json::parse(alone.out)["loss"]);
  EXPECT_GT(report["kl_divergence"], 0.0);
  EXPECT_LE(report["kl_divergence_50"], report["kl_divergence_90"]);
  EXPECT_LE(report["kl_divergence_90"], report["kl_divergence_99"]);
  EXPECT_LT(report["first_choice_agreement"], 1.0);
  const Outcome same = Evaluate("vanilla", dataset, {reference + "vanilla"});
  ASSERT_EQ(same.exit_status, 0) << same.err;
  EXPECT_THAT(same.out, AllOf(HasSubstr("KL divergence"), HasSubstr("0 nats"),
                              HasSubstr("100.00 %")));
}

TEST(EvaluateCommandTest, RefusesAReferenceThatDoesNotFit) {
  const TempDirectory directory;
  const std::string dataset = WriteTokens(directory);
  EXPECT_THAT(
      Evaluate("vanilla", dataset,
               {"--reference_model_path=testdata/llama_gqa_bf16"})
          .err,
      HasSubstr("testdata/llama_gqa_bf16/config.json: vocab_size: expected "));
  EXPECT_THAT(Evaluate("vanilla", dataset,
                       {"--reference_model_path=" + directory.Path("none")})
                  .err,
              HasSubstr(directory.Path("none")));
  const Outcome aten = RunCli(
      {"evaluate", "--model_path=testdata/llama_gqa_bf16", "--numerics=aten",
       "--reference_model_path=testdata/llama_gqa_bf16",
       "--dataset_dir_or_path=" + dataset});
  EXPECT_EQ(aten.exit_status, 2);
  EXPECT_THAT(aten.err, HasSubstr("numerics: expected exact"));
}

TEST(EvaluateCommandTest, WritesAReportThatIsTheSameEverywhere) {
  const TempDirectory directory;
  const std::string dataset = WriteTokens(directory);
  const auto report = [&](const std::string& name,
                          const std::string& more) -> std::string {
    const std::string path = directory.Path(name);
    const Outcome outcome =
        Evaluate("vanilla", dataset, {"--report_out=" + path, more});
    EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
    return FileText(path);
  };
  const std::string text = report("a/b/1.json", "--json");
  EXPECT_EQ(text, report("2.json", "--memory_budget=2MiB"));
  // The file has what --json prints, except what differs from run to run.
  const Outcome printed = Evaluate("vanilla", dataset, {"--json"});
  base::Json want = base::Json::parse(printed.out);
  for (const char* name :
       {"seconds", "tokens_per_sec", "peak_resident_bytes"}) {
    EXPECT_EQ(want.erase(name), 1) << name;
  }
  base::Json found = base::Json::parse(text);
  EXPECT_EQ(found["artifact"], "evaluation");
  found.erase("artifact");
  EXPECT_EQ(found, want);
}

TEST(EvaluateCommandTest, ReplacesReportsOnly) {
  const TempDirectory directory;
  const std::string dataset = WriteTokens(directory);
  const std::string path = directory.Write("report.json", "{}");
  const std::string flag = "--report_out=" + path;
  EXPECT_THAT(Evaluate("vanilla", dataset, {flag}).err,
              HasSubstr("already exists"));
  EXPECT_THAT(Evaluate("vanilla", dataset, {flag, "--overwrite"}).err,
              HasSubstr("is no report of an evaluation"));
  directory.Write("report.json", R"({"artifact": "evaluation"})");
  EXPECT_EQ(Evaluate("vanilla", dataset, {flag, "--overwrite"}).exit_status, 0);
  EXPECT_THAT(FileText(path), HasSubstr("losses_digest"));
}

TEST(EvaluateCommandTest, RefusesExpertsInAten) {
  const TempDirectory directory;
  const Outcome outcome =
      Evaluate("vanilla", WriteTokens(directory), {"--numerics=aten"});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("testdata/moe/vanilla: expected a dense "
                                     "model, as numerics is aten, found a "
                                     "Mixture of Experts; set numerics to "
                                     "exact"));
}

// random_selection takes dense models only.
TEST(EvaluateCommandTest, IsTheOnlyWalkOverExperts) {
  const TempDirectory directory;
  const Outcome outcome =
      RunCli({"random_selection", "--model_path=testdata/moe/vanilla",
              "--dataset_dir_or_path=" + WriteTokens(directory),
              "--save_path=" + directory.Path("out")});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("a Mixture-of-Experts checkpoint"));
}

}  // namespace
}  // namespace moe::cli
