// convert_mixtral, convert_mixtral_residual, convert_mixtral_attn_moe and
// export as a user runs them.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "tools/cli/testing/run_cli.h"

namespace moe::cli {
namespace {

using ::moe::base::testing::TempDirectory;
using ::moe::cli::testing::Outcome;
using ::moe::cli::testing::RunCli;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// 4 layers, hidden size 128, 384 neurons, 8 heads, 4 KV heads, BF16.
constexpr char kModel[] = "testdata/llama_gqa_bf16";

Outcome RunOn(const std::string& command, const std::string& from,
              const std::string& to, std::vector<std::string> more = {}) {
  std::vector<std::string> args = {command, "--model_path=" + from,
                                   "--save_path=" + to};
  for (std::string& arg : more) args.push_back(std::move(arg));
  return RunCli(args);
}

// Writes artifacts for kModel. Expert e has the 48 neurons 8 i + e. There are 8
// experts, or 7 experts and a residual expert with the neurons 8 i + 7.
class ConvertCommandsTest : public ::testing::Test {
 protected:
  void WriteIndices(bool residual, const std::string& directory) {
    checkpoint::NeuronIndices indices;
    for (int layer = 0; layer < 4; ++layer) {
      checkpoint::LayerNeuronIndices split;
      const int64_t num_experts = residual ? 7 : 8;
      split.experts = base::Matrix<int64_t>(num_experts, 48);
      for (int64_t e = 0; e < num_experts; ++e) {
        for (int64_t i = 0; i < 48; ++i) {
          split.experts.Row(e)[static_cast<size_t>(i)] = 8 * i + e;
        }
      }
      if (residual) {
        split.residual.emplace();
        for (int64_t i = 0; i < 48; ++i) split.residual->push_back(8 * i + 7);
      }
      indices.layers.push_back(std::move(split));
    }
    MOE_ASSERT_OK(
        checkpoint::WriteArtifact(indices, {}, directory, {.pt = true}));
  }

  void WriteGates(int64_t num_rows, const std::string& directory) {
    checkpoint::GateWeights gates;
    for (int layer = 0; layer < 4; ++layer) {
      base::Matrix<float> weights(num_rows, 128);
      for (size_t i = 0; i < weights.values().size(); ++i) {
        weights.values()[i] = static_cast<float>(i % 17) - 8.0f;
      }
      gates.layers.push_back(std::move(weights));
    }
    MOE_ASSERT_OK(
        checkpoint::WriteArtifact(gates, {}, directory, {.pt = true}));
  }

  std::string Path(const std::string& name) const {
    return directory_.Path(name);
  }
  std::string Read(const std::string& name) const {
    return base::ReadFile(Path(name), uint64_t{1} << 30).value();
  }

  const TempDirectory directory_;
};

// The model_type that a command gives its checkpoint.
std::string ModelType(const std::string& directory) {
  const std::string text =
      base::ReadFile(directory + "/config.json", uint64_t{1} << 20).value();
  return base::ParseJson(text).value()["model_type"];
}

TEST_F(ConvertCommandsTest, OnlyAMixtralToTheLetterSaysThatItIsOne) {
  const std::string attention = "convert_mixtral_attn_moe";
  const std::string published = "--config_style=published";
  EXPECT_EQ(RunOn("convert_mixtral", kModel, Path("scaled")).exit_status, 0);
  EXPECT_EQ(ModelType(Path("scaled")), "llama_moe");
  EXPECT_EQ(
      RunOn("convert_mixtral", kModel, Path("plain"), {"--scale_factor=1"})
          .exit_status,
      0);
  EXPECT_EQ(ModelType(Path("plain")), "mixtral");
  EXPECT_FALSE(base::PathExists(Path("plain/modeling_llama_moe.py")));
  EXPECT_EQ(RunOn(attention, Path("plain"), Path("plain_attention"),
                  {"--top_k_attn=2"})
                .exit_status,
            0);
  EXPECT_EQ(ModelType(Path("plain_attention")), "llama_moe");
  EXPECT_TRUE(base::PathExists(Path("plain_attention/modeling_llama_moe.py")));
  EXPECT_EQ(RunOn("convert_mixtral", kModel, Path("published"), {published})
                .exit_status,
            0);
  EXPECT_EQ(ModelType(Path("published")), "mixtral");
  EXPECT_TRUE(base::PathExists(Path("published/modeling_llama_moe.py")));
  // A conversion of it keeps its style unless a flag names another.
  EXPECT_EQ(
      RunOn(attention, Path("published"), Path("kept"), {"--top_k_attn=2"})
          .exit_status,
      0);
  EXPECT_EQ(ModelType(Path("kept")), "mixtral");
  EXPECT_EQ(RunOn(attention, Path("published"), Path("own"),
                  {"--top_k_attn=2", "--config_style=own"})
                .exit_status,
            0);
  EXPECT_EQ(ModelType(Path("own")), "llama_moe");
}

TEST_F(ConvertCommandsTest, RoutersStayInFloat32WhereThatIsWanted) {
  for (const char* command : {"convert_mixtral", "convert_mixtral_attn_moe"}) {
    const std::string to = Path(command);
    std::vector<std::string> flags = {"--router_dtype=float32"};
    if (command != std::string("convert_mixtral")) {
      flags.push_back("--top_k_attn=2");
    }
    ASSERT_EQ(RunOn(command, kModel, to, flags).exit_status, 0);
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint opened,
                             checkpoint::Checkpoint::Open(to));
    int num_float32 = 0;
    for (const checkpoint::SafetensorsFile& shard : opened.tensors().shards()) {
      for (const checkpoint::SafetensorsTensor& tensor : shard.tensors()) {
        if (tensor.spec.dtype == checkpoint::Dtype::kF32) ++num_float32;
      }
    }
    EXPECT_EQ(num_float32, 4) << command;
  }
}

TEST_F(ConvertCommandsTest, VanillaWithoutAnythingGiven) {
  const Outcome outcome = RunOn("convert_mixtral", kModel, Path("moe"));
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("/moe: vanilla MoE checkpoint\n"),
            HasSubstr("  MLP experts         8 of 48, top 2, scale factor 4\n"),
            HasSubstr("  layers              4 with experts\n"),
            HasSubstr("  routers             drawn, seed 0\n"),
            HasSubstr("  neurons             sequential\n"),
            HasSubstr("in 1 file\n"), HasSubstr(" bytes)\n")));
  EXPECT_THAT(base::ListDirectory(Path("moe")).value(),
              ElementsAre(".llama_moe", "chat_template.jinja", "config.json",
                          "configuration_llama_moe.py",
                          "generation_config.json", "model.safetensors",
                          "modeling_llama_moe.py", "special_tokens_map.json",
                          "tokenizer.json", "tokenizer_config.json"));
  // The same command gives the same bytes; another seed gives other bytes.
  ASSERT_EQ(RunOn("convert_mixtral", kModel, Path("again")).exit_status, 0);
  EXPECT_EQ(base::HexSha256Of(Read("moe/model.safetensors")),
            base::HexSha256Of(Read("again/model.safetensors")));
  ASSERT_EQ(
      RunOn("convert_mixtral", kModel, Path("other"), {"--seed=1"}).exit_status,
      0);
  EXPECT_NE(base::HexSha256Of(Read("moe/model.safetensors")),
            base::HexSha256Of(Read("other/model.safetensors")));
}

// Pins the bytes that convert_interop_test computes on its own, including those
// of the drawn routers.
TEST_F(ConvertCommandsTest, TheBytesAreThoseOfEveryMachine) {
  ASSERT_EQ(RunOn("convert_mixtral", kModel, Path("moe")).exit_status, 0);
  EXPECT_EQ(base::HexSha256Of(Read("moe/model.safetensors")),
            "31460fb5695a7482b6c256ea48efa2018f424f26629fff1f1d02e9b6356ef7cc");
  ASSERT_EQ(RunOn("convert_mixtral_attn_moe", Path("moe"), Path("attn"),
                  {"--top_k_attn=2", "--attn_split=2"})
                .exit_status,
            0);
  EXPECT_EQ(base::HexSha256Of(Read("attn/model.safetensors")),
            "1e3035a51ff6ba49fe38de4db024f6b31b2c7c79fd7b7a1a7ce1c6d5f516576d");
}

TEST_F(ConvertCommandsTest, ResidualFromEitherFormat) {
  WriteIndices(/*residual=*/true, Path("n"));
  WriteGates(8, Path("g"));
  for (const std::string end : {"safetensors", "pt"}) {
    const Outcome outcome = RunOn(
        "convert_mixtral_residual", kModel, Path(end),
        {"--gate_weights_file=" + Path("g/gate_weights." + end),
         "--neuron_indices_file=" + Path("n/neuron_indices." + end), "--json"});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
    MOE_ASSERT_OK_AND_ASSIGN(const base::Json report,
                             base::ParseJsonObject(outcome.out));
    EXPECT_EQ(report["kind"], "residual");
    EXPECT_EQ(report["num_experts"], 7);
    EXPECT_EQ(report["top_k"], 1);
    EXPECT_EQ(report["scale_factor"], 1.0);
    EXPECT_EQ(report["expert_size"], 48);
    EXPECT_EQ(report["residual_size"], 48);
    EXPECT_EQ(report["num_unused_neurons"], 0);
    EXPECT_TRUE(report["seed"].is_null());
    EXPECT_EQ(report["neuron_indices"], Path("n/neuron_indices." + end));
  }
  EXPECT_EQ(Read("safetensors/model.safetensors"),
            Read("pt/model.safetensors"));
}

TEST_F(ConvertCommandsTest, TheWholeChainToAnExport) {
  WriteIndices(/*residual=*/false, Path("n"));
  WriteGates(8, Path("g"));
  const Outcome vanilla =
      RunOn("convert_mixtral", kModel, Path("moe"),
            {"--gate_weights_file=" + Path("g/gate_weights.safetensors"),
             "--neuron_indices_file=" + Path("n/neuron_indices.pt"),
             "--scale_factor=3", "--top_k=3"});
  ASSERT_EQ(vanilla.exit_status, 0) << vanilla.err;
  EXPECT_THAT(vanilla.out, HasSubstr("top 3, scale factor 3\n"));
  const Outcome attention =
      RunOn("convert_mixtral_attn_moe", Path("moe"), Path("attn"),
            {"--top_k_attn=3", "--attn_split=2", "--scale_factor_attn=8",
             "--attn_gate_weights_file=" + Path("g/gate_weights.pt")});
  ASSERT_EQ(attention.exit_status, 0) << attention.err;
  EXPECT_THAT(attention.out,
              AllOf(HasSubstr("8 of 1 query head, top 3, scale factor 8\n"),
                    HasSubstr("  MLP experts         8 of 48\n"),
                    HasSubstr("gate_weights.pt\n")));
  const Outcome exported =
      RunOn("export", Path("moe"), Path("mixtral"), {"--target=mixtral"});
  ASSERT_EQ(exported.exit_status, 0) << exported.err;
  EXPECT_THAT(exported.out, AllOf(HasSubstr("/mixtral: mixtral checkpoint\n"),
                                  HasSubstr("3, now in 196,608 weights, "),
                                  HasSubstr("of them rounded\n")));
  // `inspect` compares the tensors with the configuration.
  for (const char* name : {"moe", "attn"}) {
    EXPECT_EQ(RunCli({"inspect", Path(name)}).exit_status, 0);
  }
}

TEST_F(ConvertCommandsTest, CutsShardsToASize) {
  ASSERT_EQ(RunOn("convert_mixtral", kModel, Path("whole")).exit_status, 0);
  ASSERT_EQ(
      RunOn("convert_mixtral", kModel, Path("cut"), {"--max_shard_size=20KB"})
          .exit_status,
      0);
  EXPECT_FALSE(base::PathExists(Path("cut/model.safetensors")));
  EXPECT_TRUE(base::PathExists(Path("cut/model.safetensors.index.json")));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint whole,
                           checkpoint::Checkpoint::Open(Path("whole")));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint cut,
                           checkpoint::Checkpoint::Open(Path("cut")));
  EXPECT_GT(cut.tensors().shards().size(), 1u);
  for (const char* const wrong : {"0", "much"}) {
    const Outcome outcome = RunOn("convert_mixtral", kModel, Path("other"),
                                  {absl::StrCat("--max_shard_size=", wrong)});
    EXPECT_EQ(outcome.exit_status, 2);
    EXPECT_THAT(outcome.err, HasSubstr("--max_shard_size"));
    EXPECT_FALSE(base::PathExists(Path("other")));
  }
}

TEST_F(ConvertCommandsTest, AttentionOfADenseCheckpoint) {
  const Outcome outcome =
      RunOn("convert_mixtral_attn_moe", "testdata/llama_mha_f32_sharded",
            Path("attn"), {"--top_k_attn=4", "--num_moe_contract_layers=1"});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("4 of 1 query head, top 4, scale factor 1\n"),
            HasSubstr("  MLP experts         none\n"),
            HasSubstr("1 with experts, 2 dense\n"), HasSubstr("in 3 files\n")));
  MOE_EXPECT_OK(checkpoint::Checkpoint::Open(Path("attn")).status());
}

TEST_F(ConvertCommandsTest, ReplacesOnlyACheckpointAndOnlyWhenItIsTold) {
  ASSERT_EQ(RunOn("convert_mixtral", kModel, Path("moe")).exit_status, 0);
  const std::string before = Read("moe/config.json");
  const Outcome refused =
      RunOn("convert_mixtral", kModel, Path("moe"), {"--top_k=1"});
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("/moe already exists"),
                                 HasSubstr("--overwrite")));
  EXPECT_EQ(Read("moe/config.json"), before);
  EXPECT_EQ(RunOn("convert_mixtral", kModel, Path("moe"),
                  {"--top_k=1", "--overwrite"})
                .exit_status,
            0);
  EXPECT_NE(Read("moe/config.json"), before);
  directory_.Write("mine/thesis.txt", "mine");
  const Outcome mine =
      RunOn("convert_mixtral", kModel, Path("mine"), {"--overwrite"});
  EXPECT_EQ(mine.exit_status, 2);
  EXPECT_THAT(mine.err,
              HasSubstr("expected a checkpoint that llama_moe wrote"));
  EXPECT_EQ(Read("mine/thesis.txt"), "mine");
  const Outcome itself = RunOn("convert_mixtral_attn_moe", Path("moe"),
                               Path("moe"), {"--overwrite", "--top_k_attn=1"});
  EXPECT_EQ(itself.exit_status, 2);
  EXPECT_THAT(itself.err, HasSubstr("never written to"));
}

struct BadInput {
  std::string command;
  std::vector<std::string> flags;
  std::string message;
};

TEST_F(ConvertCommandsTest, RefusesBadInputAndWritesNothing) {
  const TempDirectory artifacts;
  WriteIndices(/*residual=*/true, artifacts.Path("residual"));
  WriteIndices(/*residual=*/false, artifacts.Path("vanilla"));
  WriteGates(9, artifacts.Path("nine"));
  WriteGates(3, artifacts.Path("three"));
  const std::string residual =
      "--neuron_indices_file=" + artifacts.Path("residual/neuron_indices.pt");
  const std::string vanilla =
      "--neuron_indices_file=" + artifacts.Path("vanilla/neuron_indices.pt");
  const std::string nine =
      "--gate_weights_file=" + artifacts.Path("nine/gate_weights.pt");
  const std::string three =
      "--gate_weights_file=" + artifacts.Path("three/gate_weights.pt");
  const std::string mlp = "convert_mixtral";
  const std::string res = "convert_mixtral_residual";
  const std::string attn = "convert_mixtral_attn_moe";
  const std::vector<BadInput> cases = {
      {mlp,
       {"--num_experts=0"},
       "--num_experts: expected a whole number, 1 or more, found \"0\""},
      {mlp, {"--num_experts=5"}, "expected a divisor of intermediate_size"},
      {mlp, {"--top_k=9"}, "top_k: expected 1 to 8 (num_experts), found 9"},
      {mlp,
       {"--scale_factor=0"},
       "--scale_factor: expected a number, above 0, found \"0\""},
      {mlp, {"--scale_factor=nan"}, "--scale_factor"},
      {mlp,
       {"--num_moe_contract_layers=2"},
       "num_moe_contract_layers: expected a number from 0"},
      {mlp, {"--seed=-1"}, "--seed"},
      {mlp, {residual}, "make the split with split_gradient"},
      {mlp, {vanilla, "--num_experts=4"}, "expected num_experts 4, found 8"},
      {mlp, {nine, "--num_experts=8"}, "expected num_experts 8, found 9"},
      {mlp, {"--gate_weights_file=/no/such"}, "/no/such"},
      {mlp, {"--no_such_flag=1"}, "--no_such_flag"},
      {res, {}, "--gate_weights_file"},
      {res, {nine}, "--neuron_indices_file"},
      {res, {nine, vanilla}, "make the split with split_gradient_residual"},
      {res, {three, residual}, "found 3; make the artifact again"},
      {res, {nine, residual, "--seed=1"}, "--seed"},
      {attn, {}, "--top_k_attn"},
      {attn, {"--top_k_attn=5"}, "top_k_attn: expected a number from 1 to 4"},
      {attn,
       {"--top_k_attn=1", "--attn_split=4"},
       "attn_split: expected a divisor of"},
      {attn,
       {"--top_k_attn=1", "--attn_split=3"},
       "attn_split: expected 1, 2, 4, 8, ..., found 3"},
      {"export", {}, "found a dense LLaMA checkpoint"},
      {"export", {"--target=onnx"}, "--target"},
      {"export", {"--target=mixtral"}, "found a dense LLaMA checkpoint"},
  };
  for (const BadInput& bad : cases) {
    const Outcome outcome = RunOn(bad.command, kModel, Path("out"), bad.flags);
    EXPECT_EQ(outcome.exit_status, 2) << bad.message;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(bad.message));
    EXPECT_THAT(directory_.List(), IsEmpty()) << bad.message;
  }
}

TEST_F(ConvertCommandsTest, RefusesWhatIsConverted) {
  ASSERT_EQ(RunOn("convert_mixtral", kModel, Path("moe")).exit_status, 0);
  const Outcome again = RunOn("convert_mixtral", Path("moe"), Path("out"));
  EXPECT_EQ(again.exit_status, 2);
  EXPECT_THAT(again.err, HasSubstr("found MLP experts"));
  const Outcome granite =
      RunOn("export", Path("moe"), Path("out"), {"--target=granitemoeshared"});
  EXPECT_EQ(granite.exit_status, 2);
  EXPECT_THAT(granite.err, HasSubstr("use --target=mixtral"));
  EXPECT_THAT(directory_.List(), ElementsAre("moe"));
}

TEST_F(ConvertCommandsTest, HelpSaysWhatEveryFlagIs) {
  for (const std::string command :
       {"convert_mixtral", "convert_mixtral_residual",
        "convert_mixtral_attn_moe", "export"}) {
    const Outcome outcome = RunCli({command, "--help"});
    EXPECT_EQ(outcome.exit_status, 0);
    EXPECT_THAT(outcome.out,
                AllOf(HasSubstr("--model_path"), HasSubstr("--save_path"),
                      HasSubstr("--overwrite"), HasSubstr("Exit status")));
  }
}

}  // namespace
}  // namespace moe::cli
