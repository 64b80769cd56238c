// reconstruct_converted_model as a user runs it.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/safetensors_file.h"
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
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// 3 layers, hidden size 64, 160 neurons.
constexpr char kDense[] = "testdata/llama_mha_f32_sharded";
constexpr char kTexts[] = "--dataset_dir_or_path=testdata/stories/text.jsonl";

class ReconstructCommandTest : public ::testing::Test {
 protected:
  // Converts the dense model into 4 experts, of which a token uses 2, and a
  // residual expert.
  void SetUp() override {
    const std::string model = absl::StrCat("--model_path=", kDense);
    Outcome outcome = RunCli({"split_energy", model, kTexts, "--max_steps=4",
                              "--num_shared_neurons=32", "--num_experts=4",
                              "--top_k=2", "--save_path=" + Path("split")});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
    outcome = RunCli(
        {"convert_mixtral_residual", model,
         "--gate_weights_file=" + Path("split/gate_weights.safetensors"),
         "--neuron_indices_file=" + Path("split/neuron_indices.safetensors"),
         "--num_experts=4", "--top_k=2", "--scale_factor=2",
         "--save_path=" + Path("moe")});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  }

  std::string Path(const std::string& name) const {
    return directory_.Path(name);
  }

  // A flag of `more` replaces the flag of the same name.
  std::vector<std::string> Args(const std::string& save_path,
                                const std::vector<std::string>& more) const {
    std::vector<std::string> args = {
        "reconstruct_converted_model",
        "--model_path=" + Path("moe"),
        absl::StrCat("--dense_model_path=", kDense),
        kTexts,
        "--max_steps=4",
        "--save_path=" + Path(save_path)};
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

  Outcome Reconstruct(const std::string& save_path,
                      const std::vector<std::string>& more = {}) const {
    return RunCli(Args(save_path, more));
  }

  // How far the model's predictions are from the dense model's.
  double Divergence(const std::string& model, const std::string& texts) const {
    const Outcome evaluated =
        RunCli({"evaluate", "--model_path=" + Path(model),
                absl::StrCat("--reference_model_path=", kDense), "--json",
                "--dataset_dir_or_path=testdata/stories/" + texts});
    EXPECT_EQ(evaluated.exit_status, 0) << evaluated.err;
    return base::ParseJsonObject(evaluated.out).value()["kl_divergence"];
  }

  const TempDirectory directory_;
};

TEST_F(ReconstructCommandTest, BringsTheModelNearerToTheDenseOne) {
  const Outcome outcome = Reconstruct("made", {"--max_steps=120"});
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("/made\n"), ContainsRegex("sequences used +120\n"),
            HasSubstr("error before  error after"),
            ContainsRegex("\n +0 +mlp +160 +0\\.[0-9]+ +0\\.[0-9]+ "),
            ContainsRegex("\n +2 +attention +64 +0\\.[0-9]+ +0\\.[0-9]+ +- ")));
  EXPECT_EQ(NamesIn(Path("made")), NamesIn(Path("moe")));
  EXPECT_LT(Divergence("made", "text.jsonl"),
            0.8 * Divergence("moe", "text.jsonl"));
  // The same on texts that the refit did not use.
  EXPECT_LT(Divergence("made", "conversations.jsonl"),
            0.9 * Divergence("moe", "conversations.jsonl"));
}

TEST_F(ReconstructCommandTest, ReportsTheErrorsOfAllBlocks) {
  const std::string path = Path("report.json");
  const Outcome outcome = Reconstruct(
      "made", {"--report_out=" + path, "--json", "--target=dense_block"});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  MOE_ASSERT_OK_AND_ASSIGN(base::Json report,
                           base::ParseJsonObject(FileText(path)));
  MOE_ASSERT_OK_AND_ASSIGN(base::Json printed,
                           base::ParseJsonObject(outcome.out));
  // The file has no folders in it.
  EXPECT_EQ(report["checkpoint"], "made");
  EXPECT_EQ(printed["checkpoint"], Path("made"));
  printed["checkpoint"] = "made";
  EXPECT_EQ(report, printed);
  EXPECT_EQ(report["artifact"], "reconstruction");
  EXPECT_EQ(report["target"], "dense_block");
  EXPECT_EQ(report["ridge"], 0.15);
  EXPECT_EQ(report["num_shards"], 3);
  EXPECT_EQ(report["num_sequences"], 4);
  std::vector<std::string> blocks;
  for (const base::Json& block : report["blocks"]) {
    blocks.push_back(absl::StrCat(block["layer"].get<int>(), " ",
                                  block["part"].get<std::string>()));
    EXPECT_GE(block["pivot_ratio"], 1.0);
    EXPECT_GT(block["captured_share"], 0.0);
    EXPECT_LT(block["captured_share"], block["oracle_share"]);
    EXPECT_LT(block["oracle_share"], 1.0);
  }
  // The attention is still dense, so it equals the target already.
  EXPECT_THAT(blocks, ElementsAre("0 mlp", "1 mlp", "2 mlp"));
}

TEST_F(ReconstructCommandTest, ReplacesNoFileOfTheCheckpointByTheReport) {
  const Outcome outcome = Reconstruct(
      "made", {"--overwrite", "--report_out=" + Path("made/config.json")});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("config.json"));
  EXPECT_EQ(RunCli({"inspect", Path("made")}).exit_status, 0);
}

TEST_F(ReconstructCommandTest, CutsShardsOfTheGivenSize) {
  const Outcome outcome =
      Reconstruct("made", {"--max_shard_size=100kB", "--json"});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(outcome.out));
  EXPECT_GT(report["num_shards"], 3);
  EXPECT_EQ(RunCli({"inspect", Path("made")}).exit_status, 0);
}

TEST_F(ReconstructCommandTest, ReplacesOnlyWhenItIsTold) {
  const std::string report = "--report_out=" + Path("r.json");
  ASSERT_EQ(Reconstruct("made", {report}).exit_status, 0);
  const std::string shard = Path("made/model-00002-of-00003.safetensors");
  const std::string before = FileText(shard);
  const std::string reported = FileText(Path("r.json"));
  const auto refused = [&](const Outcome& outcome, const std::string& what) {
    EXPECT_EQ(outcome.exit_status, 2);
    EXPECT_THAT(outcome.err, HasSubstr(what));
    EXPECT_EQ(FileText(shard), before);
    EXPECT_EQ(FileText(Path("r.json")), reported);
    EXPECT_THAT(NamesIn(Path("new")), IsEmpty());
  };
  refused(Reconstruct("made", {"--ridge=1"}),
          "/made already exists; choose another path, or pass --overwrite");
  refused(Reconstruct("new", {"--ridge=1", report}),
          "/r.json already exists; choose another path, or pass --overwrite");
  directory_.Write("mine.json", "{\"artifact\": \"mine\"}");
  refused(
      Reconstruct("new", {"--report_out=" + Path("mine.json"), "--overwrite"}),
      "/mine.json is no report of reconstruct_converted_model");
  EXPECT_EQ(FileText(Path("mine.json")), "{\"artifact\": \"mine\"}");
  directory_.Write("made/mine.txt", "mine");
  refused(Reconstruct("made", {"--overwrite"}), "found also mine.txt");
  std::filesystem::remove(Path("made/mine.txt"));
  ASSERT_EQ(
      Reconstruct("made", {"--ridge=1", report, "--overwrite"}).exit_status, 0);
  EXPECT_NE(FileText(shard), before);
  EXPECT_NE(FileText(Path("r.json")), reported);
  // The same command gives the same bytes.
  ASSERT_EQ(Reconstruct("made", {report, "--overwrite"}).exit_status, 0);
  EXPECT_EQ(FileText(shard), before);
  EXPECT_EQ(FileText(Path("r.json")), reported);
}

TEST_F(ReconstructCommandTest, RefusesBadInputAndWritesNothing) {
  struct BadInput {
    std::vector<std::string> flags;
    std::string message;
  };
  const std::vector<std::string> converted = NamesIn(Path("moe"));
  const BadInput cases[] = {
      {{"--parts=mlp,router"},
       "parts: expected mlp, attention, or mlp,attention, found "
       "\"mlp,router\""},
      {{"--ridge=-1"}, "--ridge: expected a number, 0 or more, found \"-1\""},
      {{"--ridge_attention=nan"}, "--ridge_attention"},
      {{"--target=stream"}, "--target"},
      {{"--dense_model_path=testdata/llama_gqa_bf16"},
       "/moe: expected a checkpoint made from testdata/llama_gqa_bf16, found "
       "hidden_size 64 beside 128"},
      {{"--ridge=0", "--max_steps=1", "--model_max_length=20"},
       "layer 0: mlp: expected at least 160 tokens, one for each feature, as "
       "the ridge is 0, found 20"},
      {{"--save_path=" + Path("moe"), "--overwrite"},
       "is the input --model_path"},
      {{absl::StrCat("--save_path=", kDense), "--overwrite"},
       "is the input --dense_model_path"},
      {{"--report_out=" + Path("moe/r.json")}, "never written to"},
      {{"--report_out=" + Path("x")}, "expected a path of its own for each"},
      {{"--max_shard_size=0"}, "--max_shard_size: expected a byte or more"},
      {{"--memory_budget=1KiB"}, "--memory_budget="},
  };
  for (const BadInput& bad : cases) {
    const Outcome outcome = Reconstruct("x", bad.flags);
    EXPECT_EQ(outcome.exit_status, 2) << bad.flags[0];
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(bad.message)) << bad.flags[0];
    EXPECT_THAT(NamesIn(directory_.path()), ElementsAre("moe", "split"))
        << bad.flags[0];
    EXPECT_EQ(NamesIn(Path("moe")), converted) << bad.flags[0];
  }
}

TEST_F(ReconstructCommandTest, NamesTheWeightThatIsNaN) {
  // In an expert, in a router, and in a tensor that both models have.
  for (const std::string tensor :
       {"model.layers.1.block_sparse_moe.experts.2.w2.weight",
        "model.layers.2.block_sparse_moe.gate.weight", "model.norm.weight"}) {
    std::filesystem::copy(Path("moe"), Path("bad"));
    for (const std::string& name : NamesIn(Path("bad"))) {
      const std::string path = Path("bad/" + name);
      if (!name.ends_with(".safetensors")) continue;
      MOE_ASSERT_OK_AND_ASSIGN(checkpoint::HostTensors tensors,
                               checkpoint::ReadSafetensorsFile(path));
      const auto found = tensors.find(tensor);
      if (found == tensors.end()) continue;
      // Element 1 of F32.
      found->second.bytes.replace(4, 4, std::string("\0\0\xc0\x7f", 4));
      MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(path, tensors,
                                                     {{"format", "pt"}},
                                                     /*overwrite=*/true));
    }
    const Outcome outcome = Reconstruct("x", {"--model_path=" + Path("bad")});
    EXPECT_EQ(outcome.exit_status, 2) << tensor;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("/bad/"), HasSubstr(tensor),
                                   HasSubstr("NaN"), HasSubstr("element 1")));
    EXPECT_THAT(NamesIn(Path("x")), IsEmpty());
    std::filesystem::remove_all(Path("bad"));
  }
}

TEST_F(ReconstructCommandTest, HelpHasALineForEveryFlag) {
  const Outcome help = RunCli({"reconstruct_converted_model", "--help"});
  EXPECT_EQ(help.exit_status, 0);
  for (const std::string flag :
       {"model_path=TEXT", "dense_model_path=TEXT", "dataset_dir_or_path=TEXT",
        "parts=TEXT", "ridge=NUMBER", "ridge_attention=NUMBER",
        "target=dense_stream|dense_block", "save_path=TEXT", "overwrite",
        "max_shard_size=TEXT", "report_out=TEXT", "memory_budget=TEXT"}) {
    EXPECT_THAT(help.out, HasSubstr("\n  --" + flag + " ")) << flag;
  }
}

}  // namespace
}  // namespace moe::cli
