// get_hidden_distribution and align_converted_model as a user runs them.

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
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
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
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// 4 layers, hidden size 128, BF16.
constexpr char kModel[] = "testdata/llama_gqa_bf16";

// Runs a step over a few of the stories.
Outcome Walk(const std::string& step, const std::string& model,
             std::vector<std::string> more) {
  std::vector<std::string> args = {
      step,
      "--model_path=" + model,
      "--dataset_dir_or_path=testdata/stories/text.jsonl",
      "--max_steps=3",
      "--batch_size=2",
      "--model_max_length=128"};
  for (std::string& arg : more) args.push_back(std::move(arg));
  return RunCli(args);
}

Outcome Record(const std::string& model, const std::string& save_path,
               std::vector<std::string> more = {}) {
  more.push_back("--save_path=" + save_path);
  return Walk("get_hidden_distribution", model, std::move(more));
}

// A converted model in "moe", and the reference in "reference".
class AlignCommandsTest : public ::testing::Test {
 protected:
  void Prepare() {
    Outcome outcome = RunCli(
        {"convert_mixtral", absl::StrCat("--model_path=", kModel),
         "--num_experts=4", "--scale_factor=2", "--save_path=" + Path("moe")});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
    outcome = Record(kModel, Path("reference"), {"--format=pt"});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  }
  Outcome Align(
      const std::string& from, const std::string& to,
      std::vector<std::string> more = {},
      const std::string& reference = "reference/distribution.safetensors") {
    more.push_back("--save_path=" + Path(to));
    more.push_back("--reference_distribution_file=" + Path(reference));
    return Walk("align_converted_model", Path(from), std::move(more));
  }
  std::string Path(const std::string& name) const {
    return directory_.Path(name);
  }

  const TempDirectory directory_;
};

TEST_F(AlignCommandsTest, RecordsADistributionAndAReport) {
  const Outcome outcome = Record(kModel, Path("x"), {"--format=pt", "--json"});
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(NamesIn(Path("x")),
              ElementsAre("distribution.pt", "distribution.report.json",
                          "distribution.safetensors"));
  const std::string file = Path("x/distribution.safetensors");
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Distribution distribution,
      checkpoint::ReadArtifact<checkpoint::Distribution>(file));
  MOE_EXPECT_OK(checkpoint::ValidateDistribution(distribution, {4, 128}, file));
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(outcome.out));
  EXPECT_EQ(report["sha256"], base::HexSha256Of(FileText(file)));
  EXPECT_EQ(report["blocks"].size(), 8u);
  EXPECT_EQ(report["blocks"][1]["part"], "mlp");
  EXPECT_EQ(report["num_tokens"], distribution.layers[0].attn->number);
  EXPECT_EQ(report["num_sequences"], 6);
}

TEST_F(AlignCommandsTest, PartsMergeToTheSameBytes) {
  ASSERT_EQ(Record(kModel, Path("whole")).exit_status, 0);
  std::vector<std::string> merge = {"get_hidden_distribution",
                                    "--save_path=" + Path("merged"), "--merge"};
  for (const int shard : {1, 0, 2}) {
    const Outcome outcome = Record(
        kModel, Path("parts"), {"--shards=3", absl::StrCat("--shard=", shard)});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
    merge.push_back(Path(
        absl::StrCat("parts/distribution.part-", shard, "-of-3.safetensors")));
  }
  const Outcome outcome = RunCli(merge);
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("parts merged"));
  EXPECT_EQ(FileText(Path("merged/distribution.safetensors")),
            FileText(Path("whole/distribution.safetensors")));
}

TEST_F(AlignCommandsTest, WritesACheckpointFactorsAndAReport) {
  Prepare();
  const Outcome outcome = Align("moe", "aligned", {"--json"});
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(
      NamesIn(Path("aligned.alignment")),
      ElementsAre("scale_factors.report.json", "scale_factors.safetensors"));
  EXPECT_THAT(NamesIn(Path("aligned")),
              ElementsAre(".llama_moe", "chat_template.jinja", "config.json",
                          "configuration_llama_moe.py",
                          "generation_config.json", "model.safetensors",
                          "modeling_llama_moe.py", "special_tokens_map.json",
                          "tokenizer.json", "tokenizer_config.json"));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint aligned,
                           checkpoint::Checkpoint::Open(Path("aligned")));
  EXPECT_TRUE(aligned.moe_config()->add_rescale_bias);
  const std::string file = Path("aligned.alignment/scale_factors.safetensors");
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::ScaleFactors factors,
      checkpoint::ReadArtifact<checkpoint::ScaleFactors>(file));
  EXPECT_EQ(factors.layers.size(), 4u);
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                           base::ParseJsonObject(outcome.out));
  EXPECT_EQ(report["sha256"], base::HexSha256Of(FileText(file)));
  EXPECT_EQ(
      report["reference_sha256"],
      base::HexSha256Of(FileText(Path("reference/distribution.safetensors"))));
  EXPECT_EQ(report["alignment_mode"], "exact");
  EXPECT_EQ(report["left_behind"], base::Json::array());
  // The printed report has paths; the written report has names.
  EXPECT_EQ(report["checkpoint"], Path("aligned"));
  EXPECT_EQ(report["reference_distribution"],
            Path("reference/distribution.safetensors"));
  MOE_ASSERT_OK_AND_ASSIGN(
      base::Json written, base::ParseJsonObject(FileText(Path(
                              "aligned.alignment/scale_factors.report.json"))));
  EXPECT_EQ(written["checkpoint"], "aligned");
  EXPECT_EQ(written["reference_distribution"], "distribution.safetensors");
  written["checkpoint"] = report["checkpoint"];
  written["reference_distribution"] = report["reference_distribution"];
  EXPECT_EQ(written, report);
  ASSERT_EQ(report["blocks"].size(), 4u);
  for (const base::Json& block : report["blocks"]) {
    EXPECT_EQ(block["part"], "mlp");
    EXPECT_LT(block["divergence_after"].get<double>(),
              1e-3 * block["divergence_before"].get<double>());
  }
}

TEST_F(AlignCommandsTest, LeavesAndNamesALinkOutOfTheModel) {
  Prepare();
  directory_.Write("key", "secret");
  std::filesystem::create_symlink("../key", Path("moe/LICENSE-x"));
  const Outcome outcome = Align("moe", "aligned");
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr("LICENSE-x: it is a link to a file outside "
                        "of the model's folder"));
  EXPECT_THAT(NamesIn(Path("aligned")), Not(Contains("LICENSE-x")));
  EXPECT_THAT(FileText(Path("aligned.alignment/scale_factors.report.json")),
              HasSubstr("LICENSE-x"));
}

// Reads the reference from the .pt file, and uses another mode and folder.
TEST_F(AlignCommandsTest, WritesTheOtherModesAndFormats) {
  Prepare();
  const Outcome other =
      Align("moe", "other/",
            {"--alignment_mode=published", "--alignment_parts=magnitude",
             "--format=pt", "--scale_factors_path=" + Path("f")},
            "reference/distribution.pt");
  ASSERT_EQ(other.exit_status, 0) << other.err;
  EXPECT_THAT(other.out, AllOf(HasSubstr("published, magnitude"),
                               HasSubstr("aligned checkpoint")));
  EXPECT_THAT(NamesIn(Path("f")),
              ElementsAre("scale_factors.pt", "scale_factors.report.json",
                          "scale_factors.safetensors"));
  // A checkpoint without biases can be exported.
  EXPECT_EQ(RunCli({"export", "--model_path=" + Path("other"),
                    "--save_path=" + Path("exported"), "--target=mixtral"})
                .exit_status,
            0);
}

TEST_F(AlignCommandsTest, RefusalsComeBeforeAnythingIsWritten) {
  Prepare();
  const auto refused = [&](const Outcome& outcome, const std::string& what) {
    EXPECT_EQ(outcome.exit_status, 2);
    EXPECT_THAT(outcome.err, HasSubstr(what));
    EXPECT_THAT(NamesIn(Path("no")), IsEmpty());
    EXPECT_THAT(NamesIn(Path("no.alignment")), IsEmpty());
  };
  refused(Align("moe", "no", {"--alignment_mode=other"}), "--alignment_mode");
  refused(Align("moe", "no", {}, "none.safetensors"), "none.safetensors");
  refused(Align("moe", "moe/no"), "never written to");
  // A reference from a model with three layers.
  const Outcome other =
      Record("testdata/llama_headdim_f16", Path("other_model"));
  ASSERT_EQ(other.exit_status, 0) << other.err;
  refused(Align("moe", "no", {}, "other_model/distribution.safetensors"),
          "other_model/distribution.safetensors: expected num_layers");
  ASSERT_EQ(Align("moe", "aligned").exit_status, 0);
  refused(Align("aligned", "no"), "expected a checkpoint that is not aligned");
  const Outcome exists = Align("moe", "aligned");
  EXPECT_EQ(exists.exit_status, 2);
  EXPECT_THAT(exists.err, HasSubstr("--overwrite"));
  EXPECT_EQ(Align("moe", "aligned", {"--overwrite"}).exit_status, 0);
  EXPECT_EQ(Align("aligned", "again", {"--realign"}).exit_status, 0);
}

}  // namespace
}  // namespace moe::cli
