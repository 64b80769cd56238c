// remove_neurons as a user runs it, and the reconstruction of what it makes.

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
#include "moe/checkpoint/tensor.h"
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

class RemoveNeuronsCommandTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const {
    return directory_.Path(name);
  }

  // A flag of `more` replaces the flag of the same name.
  Outcome Remove(const std::string& save_path,
                 const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = {"remove_neurons",
                                     absl::StrCat("--model_path=", kDense),
                                     kTexts,
                                     "--max_steps=4",
                                     "--num_neurons=40",
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
    return RunCli(args);
  }

  // How far the model's predictions are from the dense model's.
  double Divergence(const std::string& model) const {
    const Outcome evaluated = RunCli(
        {"evaluate", "--model_path=" + Path(model),
         absl::StrCat("--reference_model_path=", kDense), "--json", kTexts});
    EXPECT_EQ(evaluated.exit_status, 0) << evaluated.err;
    return base::ParseJsonObject(evaluated.out).value()["kl_divergence"];
  }

  const TempDirectory directory_;
};

TEST_F(RemoveNeuronsCommandTest, MakesADenseCheckpointAndAReport) {
  const std::string path = Path("report.json");
  const Outcome outcome = Remove("made", {"--json", "--report_out=" + path});
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(outcome.exit_status, 0);
  MOE_ASSERT_OK_AND_ASSIGN(
      const base::Json config,
      base::ParseJsonObject(FileText(Path("made/config.json"))));
  EXPECT_EQ(config["architectures"][0], "LlamaForCausalLM");
  EXPECT_EQ(config["model_type"], "llama");
  EXPECT_EQ(config["intermediate_size"], 40);
  EXPECT_EQ(RunCli({"inspect", Path("made")}).exit_status, 0);
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(FileText(path)));
  MOE_ASSERT_OK_AND_ASSIGN(base::Json printed,
                           base::ParseJsonObject(outcome.out));
  // The file has no folders in it.
  EXPECT_EQ(report["checkpoint"], "made");
  EXPECT_EQ(printed["checkpoint"], Path("made"));
  printed["checkpoint"] = "made";
  EXPECT_EQ(report, printed);
  EXPECT_EQ(report["artifact"], "neuron_removal");
  EXPECT_EQ(report["intermediate_size"], 160);
  EXPECT_EQ(report["options"]["num_neurons"], 40);
  EXPECT_EQ(report["num_shards"], 3);
  EXPECT_EQ(report["num_sequences"], 4);
  ASSERT_EQ(report["layers"].size(), 3u);
  for (const base::Json& layer : report["layers"]) {
    // The 40 neurons kept of 160 have more than an even share of the energy.
    EXPECT_GT(layer["kept_share"], 0.25);
    EXPECT_LT(layer["kept_share"], 1.0);
    EXPECT_GE(layer["least_kept_share"], layer["largest_removed_share"]);
  }
}

TEST_F(RemoveNeuronsCommandTest, PrintsATable) {
  const Outcome outcome = Remove("made");
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("/made: dense checkpoint, 40 of 160 neurons\n"),
                    ContainsRegex("tensors +.* in 3 files\n"),
                    ContainsRegex("sequences used +4\n"),
                    HasSubstr("kept energy  largest kept"),
                    ContainsRegex("\n +2 +0\\.[0-9]+ "),
                    HasSubstr("kept energy of a layer: 0.")));
}

TEST_F(RemoveNeuronsCommandTest, AllNeuronsAreTheDenseModel) {
  ASSERT_EQ(Remove("made", {"--num_neurons=160"}).exit_status, 0);
  EXPECT_EQ(RunCli({"diff", kDense, Path("made")}).exit_status, 0);
}

TEST_F(RemoveNeuronsCommandTest, ThreadsAndMemoryChangeNoFile) {
  ASSERT_EQ(Remove("made").exit_status, 0);
  ASSERT_EQ(Remove("other", {"--memory_budget=4MiB"}).exit_status, 0);
  for (const std::string& name : NamesIn(Path("made"))) {
    if (name == ".llama_moe") continue;  // It has the times of files.
    EXPECT_EQ(FileText(Path("made/" + name)), FileText(Path("other/" + name)))
        << name;
  }
}

// The refit recognizes it as a model made from the dense one.
TEST_F(RemoveNeuronsCommandTest, IsRefittedToTheDenseModel) {
  ASSERT_EQ(Remove("made", {"--max_steps=120"}).exit_status, 0);
  const Outcome outcome =
      RunCli({"reconstruct_converted_model", "--model_path=" + Path("made"),
              absl::StrCat("--dense_model_path=", kDense), kTexts,
              "--max_steps=120", "--save_path=" + Path("refitted")});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_EQ(NamesIn(Path("refitted")), NamesIn(Path("made")));
  EXPECT_EQ(FileText(Path("refitted/config.json")),
            FileText(Path("made/config.json")));
  EXPECT_LT(Divergence("refitted"), 0.8 * Divergence("made"));
}

TEST_F(RemoveNeuronsCommandTest, CutsShardsOfTheGivenSize) {
  const Outcome outcome = Remove("made", {"--max_shard_size=100kB", "--json"});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(outcome.out));
  EXPECT_GT(report["num_shards"], 3);
  EXPECT_EQ(RunCli({"inspect", Path("made")}).exit_status, 0);
}

TEST_F(RemoveNeuronsCommandTest, ReplacesOnlyWhenItIsTold) {
  const std::string report = "--report_out=" + Path("r.json");
  ASSERT_EQ(Remove("made", {report}).exit_status, 0);
  const std::string shard = Path("made/model-00002-of-00003.safetensors");
  const std::string before = FileText(shard);
  const std::string reported = FileText(Path("r.json"));
  const Outcome refused = Remove("made", {"--num_neurons=8"});
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.err, HasSubstr("/made already exists; choose another "
                                     "path, or pass --overwrite"));
  directory_.Write("mine.json", "{\"artifact\": \"mine\"}");
  EXPECT_THAT(
      Remove("new", {"--report_out=" + Path("mine.json"), "--overwrite"}).err,
      HasSubstr("/mine.json is no report of remove_neurons"));
  EXPECT_THAT(NamesIn(Path("new")), IsEmpty());
  EXPECT_EQ(FileText(shard), before);
  ASSERT_EQ(
      Remove("made", {"--num_neurons=8", report, "--overwrite"}).exit_status,
      0);
  EXPECT_NE(FileText(shard), before);
  EXPECT_NE(FileText(Path("r.json")), reported);
  // The same command gives the same bytes.
  ASSERT_EQ(Remove("made", {report, "--overwrite"}).exit_status, 0);
  EXPECT_EQ(FileText(shard), before);
  EXPECT_EQ(FileText(Path("r.json")), reported);
}

TEST_F(RemoveNeuronsCommandTest, RefusesBadInputAndWritesNothing) {
  struct BadInput {
    std::vector<std::string> flags;
    std::string message;
  };
  const std::string empty = directory_.Write("empty.jsonl", "");
  const std::string bad = directory_.Write("bad.jsonl", "{\"text\": 3}\n");
  const std::vector<std::string> files = NamesIn(directory_.path());
  const BadInput cases[] = {
      {{"--num_neurons=0"},
       "--num_neurons: expected a whole number, 1 or more, found \"0\""},
      {{"--num_neurons=161"},
       "num_neurons: expected at most the intermediate size, 160, found 161"},
      {{"--model_path=testdata/moe/vanilla"},
       "testdata/moe/vanilla: expected a dense checkpoint, found a "
       "Mixture-of-Experts checkpoint; use the dense model that it was made "
       "from"},
      {{"--dataset_dir_or_path=" + empty}, "empty.jsonl"},
      {{"--dataset_dir_or_path=" + bad}, "bad.jsonl"},
      {{"--dataset_dir_or_path=" + Path("none")}, "/none"},
      {{absl::StrCat("--save_path=", kDense), "--overwrite"},
       "is the input --model_path"},
      {{"--report_out=" + Path("x")}, "expected a path of its own for each"},
      {{"--max_shard_size=0"}, "--max_shard_size: expected a byte or more"},
      {{"--memory_budget=1KiB"}, "--memory_budget="},
  };
  for (const BadInput& input : cases) {
    const Outcome outcome = Remove("x", input.flags);
    EXPECT_EQ(outcome.exit_status, 2) << input.flags[0];
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(input.message)) << input.flags[0];
    EXPECT_EQ(NamesIn(directory_.path()), files) << input.flags[0];
  }
  EXPECT_THAT(RunCli({"remove_neurons", absl::StrCat("--model_path=", kDense),
                      kTexts, "--save_path=" + Path("x")})
                  .err,
              HasSubstr("--num_neurons"));
}

TEST_F(RemoveNeuronsCommandTest, NamesTheWeightThatIsNaN) {
  for (const std::string tensor : {"model.layers.1.mlp.down_proj.weight",
                                   "model.layers.2.mlp.gate_proj.weight"}) {
    std::filesystem::create_directory(Path("bad"));
    for (const std::string& name : NamesIn(kDense)) {
      const std::string from = absl::StrCat(kDense, "/", name);
      const std::string to = Path("bad/" + name);
      directory_.Write("bad/" + name, FileText(from));
      if (!name.ends_with(".safetensors")) continue;
      MOE_ASSERT_OK_AND_ASSIGN(checkpoint::HostTensors tensors,
                               checkpoint::ReadSafetensorsFile(from));
      const auto found = tensors.find(tensor);
      if (found == tensors.end()) continue;
      // Element 1 of F32.
      found->second.bytes.replace(4, 4, std::string("\0\0\xc0\x7f", 4));
      MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(to, tensors,
                                                     {{"format", "pt"}},
                                                     /*overwrite=*/true));
    }
    const Outcome outcome = Remove("x", {"--model_path=" + Path("bad")});
    EXPECT_EQ(outcome.exit_status, 2) << tensor;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("/bad/"), HasSubstr(tensor),
                                   HasSubstr("NaN"), HasSubstr("element 1")));
    EXPECT_THAT(NamesIn(directory_.path()), ElementsAre("bad"));
    std::filesystem::remove_all(Path("bad"));
  }
}

}  // namespace
}  // namespace moe::cli
