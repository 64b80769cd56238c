#include "tools/cli/commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/text/dataset/token_artifact.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/testing/run_cli.h"

namespace moe::cli {
namespace {

using ::moe::base::testing::TempDirectory;
using ::moe::cli::testing::Outcome;
using ::moe::cli::testing::RunCli;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kGqa[] = "testdata/llama_gqa_bf16";
constexpr char kValid[] = "testdata/malformed/valid";
constexpr char kNan[] = "testdata/malformed/value_nan";

// A file with the BF16 tensor "w" of these bits.
std::string WriteBf16(const TempDirectory& directory, const std::string& name,
                      const std::vector<uint16_t>& bits) {
  const std::string path = directory.Path(name);
  const checkpoint::HostTensor tensor{
      checkpoint::Dtype::kBF16,
      {static_cast<int64_t>(bits.size())},
      std::string(reinterpret_cast<const char*>(bits.data()),
                  bits.size() * sizeof(uint16_t))};
  EXPECT_THAT(
      checkpoint::WriteSafetensorsFile(path, {{"w", tensor}}, {}, false),
      ::moe::base::testing::IsOk());
  return path;
}

TEST(CommandsTest, EveryCommandHasHelp) {
  for (const Command& command : AllCommands()) {
    const Outcome outcome = RunCli({command.name, "--help"});
    EXPECT_EQ(outcome.exit_status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("usage: llama_moe " + command.name));
    EXPECT_EQ(outcome.err, "");
  }
}

// Tries every flag of every command, including those of the frame.
TEST(CommandsTest, NoFlagGoesWithoutItsValue) {
  for (const Command& command : AllCommands()) {
    CLI::App app;
    FlagSet flags(app);
    command.declare(flags);
    std::vector<std::string> names = flags.Names();
    names.emplace_back("--progress");
    for (const std::string& name : names) {
      SCOPED_TRACE(command.name + " " + name);
      const Outcome empty = RunCli({command.name, name + "="});
      EXPECT_EQ(empty.exit_status, 2);
      EXPECT_THAT(empty.err, HasSubstr(": " + name + "= has nothing after"));
      if (flags.IsSwitch(name)) continue;
      // RunCli adds --progress=none.
      const Outcome missing = RunCli({command.name, name});
      EXPECT_EQ(missing.exit_status, 2);
      EXPECT_THAT(
          missing.err,
          HasSubstr(": " + name +
                    ": expected a value, found the flag \"--progress=none\""));
      // A negative number is a value, whether the flag allows it or not.
      EXPECT_EQ(RunCli({command.name, name, "-1"}).err,
                RunCli({command.name, name + "=-1"}).err);
    }
  }
}

TEST(InspectCommandTest, TakesThePathInEveryForm) {
  const std::string want = RunCli({"inspect", kGqa}).out;
  EXPECT_THAT(want, HasSubstr("dense LLaMA checkpoint"));
  EXPECT_EQ(RunCli({"inspect", "--model_path", kGqa}).out, want);
  EXPECT_EQ(
      RunCli({"inspect", std::string("--model_name_or_path=") + kGqa}).out,
      want);
}

TEST(InspectCommandTest, ShowsMoreOnRequest) {
  const std::string plain = RunCli({"inspect", kGqa}).out;
  EXPECT_THAT(plain, AllOf(Not(HasSubstr("sha256")), Not(HasSubstr("offset")),
                           Not(HasSubstr("no NaN"))));
  EXPECT_THAT(
      RunCli({"inspect", kGqa, "--digests", "--tensors", "--check_values"}).out,
      AllOf(HasSubstr("sha256"), HasSubstr("offset"), HasSubstr("no NaN")));
}

TEST(InspectCommandTest, PrintsJson) {
  const Outcome outcome = RunCli({"inspect", kGqa, "--json"});
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json json,
                           base::ParseJsonObject(outcome.out));
  EXPECT_EQ(json["model_type"], "llama");
}

// JSON has escapes of its own: reading them gives the file's text.
TEST(InspectCommandTest, NoNameActsOnATerminal) {
  const TempDirectory directory;
  const std::string name = "w\x1b[2J\x7f\u009b\u202e\u200b\n\u00e4";
  const std::string path = directory.Path("a.safetensors");
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      path, {{name, {checkpoint::Dtype::kBF16, {1}, std::string(2, '\0')}}}, {},
      false));
  const Outcome table = RunCli({"inspect", path});
  EXPECT_THAT(table.out,
              HasSubstr("  w\\u001b[2J\\u007f\\u009b\\u202e\\u200b\\u000a"
                        "\u00e4  BF16 [1]\n"));
  const Outcome json = RunCli({"inspect", path, "--json", "--tensors"});
  for (const char* raw : {"\x1b", "\x7f", "\u009b", "\u202e", "\u200b"}) {
    EXPECT_THAT(table.out, Not(HasSubstr(raw)));
    EXPECT_THAT(json.out, Not(HasSubstr(raw)));
  }
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json document,
                           base::ParseJsonObject(json.out));
  EXPECT_EQ(document["tensors"][0]["name"], name);
}

TEST(InspectCommandTest, RefusesWhatIsNotInOrder) {
  EXPECT_EQ(RunCli({"inspect", kNan}).exit_status, 0);
  const Outcome nan = RunCli({"inspect", kNan, "--check_values"});
  EXPECT_EQ(nan.exit_status, 2);
  EXPECT_EQ(nan.out, "");
  EXPECT_THAT(nan.err, HasSubstr("found a NaN or infinity at element 5"));
  const Outcome none = RunCli({"inspect", "no/such/path"});
  EXPECT_EQ(none.exit_status, 2);
  EXPECT_EQ(none.err, "llama_moe inspect: no/such/path does not exist\n");
}

TEST(DiffCommandTest, ExitStatusTellsTheAnswer) {
  EXPECT_EQ(RunCli({"diff", kValid, kValid}).exit_status, 0);
  EXPECT_EQ(RunCli({"diff", kValid, kNan}).exit_status, 1);
  EXPECT_EQ(RunCli({"diff", kValid, "no/such/path"}).exit_status, 2);
  EXPECT_EQ(RunCli({"diff", kValid}).exit_status, 2);
}

TEST(DiffCommandTest, TolerancesArePassedOn) {
  const TempDirectory directory;
  // 1 and 1 + 2^-7, its neighbour.
  const std::string a = WriteBf16(directory, "a.safetensors", {0x3f80});
  const std::string b = WriteBf16(directory, "b.safetensors", {0x3f81});
  EXPECT_EQ(RunCli({"diff", a, b}).exit_status, 1);
  EXPECT_EQ(RunCli({"diff", a, b, "--max_ulp=0"}).exit_status, 1);
  EXPECT_EQ(RunCli({"diff", a, b, "--max_ulp=1"}).exit_status, 0);
  EXPECT_EQ(RunCli({"diff", a, b, "--atol=0.007"}).exit_status, 1);
  EXPECT_EQ(RunCli({"diff", a, b, "--atol=0.008"}).exit_status, 0);
  // 2^-7 / (1 + 2^-7) = 1 / 129 = 0.00775...
  EXPECT_EQ(RunCli({"diff", a, b, "--rtol=0.0077"}).exit_status, 1);
  EXPECT_EQ(RunCli({"diff", a, b, "--rtol=0.0078"}).exit_status, 0);
}

TEST(DiffCommandTest, ShowsHowFarTensorsAreApart) {
  const TempDirectory directory;
  const std::string a = WriteBf16(directory, "a.safetensors", {0x3f80});
  const std::string b = WriteBf16(directory, "b.safetensors", {0x3f81});
  EXPECT_THAT(
      RunCli({"diff", a, b}).out,
      HasSubstr("  differs    w  BF16 [1]\n"
                "      1 of 1 elements; first at [0]\n"
                "      largest |a-b| 0.0078125 at [0] (a 1, b 1.0078125); "
                "|A-B|/|A| 0.0078125\n"
                "      ULP distance: count  1: 1\n"
                "A and B differ\n"));
}

TEST(DiffCommandTest, PrintsJson) {
  const Outcome outcome = RunCli({"diff", kValid, kNan, "--json"});
  EXPECT_EQ(outcome.exit_status, 1);
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json json,
                           base::ParseJsonObject(outcome.out));
  EXPECT_EQ(json["counts"]["differs"], 1);
}

TEST(DiffCommandTest, RefusesValuesOutOfRange) {
  const Outcome outcome = RunCli({"diff", kValid, kNan, "--max_ulp=-1"});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_EQ(outcome.err,
            "llama_moe diff: --max_ulp: expected a whole number, 0 or more, "
            "found \"-1\"\n");
}

// The arguments that every run of tokenize needs.
std::vector<std::string> TokenizeArgs(const std::string& save_path) {
  return {"tokenize", std::string("--model_path=") + kGqa,
          "--dataset_dir_or_path=testdata/stories", "--save_path=" + save_path};
}

std::vector<std::string> With(std::vector<std::string> args,
                              const std::string& more) {
  args.push_back(more);
  return args;
}

TEST(TokenizeCommandTest, WritesAnArtifactThatInspectKnows) {
  const TempDirectory directory;
  const std::string path = directory.Path("tokens.safetensors");
  const Outcome outcome = RunCli(TokenizeArgs(path));
  EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr(path + ": token artifact\n"),
            HasSubstr("chat template                      checkpoint\n"),
            HasSubstr("sequences                          320\n")));
  MOE_ASSERT_OK_AND_ASSIGN(const text::TokenArtifact artifact,
                           text::ReadTokenArtifact(path));
  EXPECT_EQ(artifact.dataset.sequences.num_sequences(), 320);
  EXPECT_EQ(artifact.info.vocab_size, 512);
  EXPECT_THAT(
      RunCli({"inspect", path}).out,
      AllOf(HasSubstr("artifact tokens\n"), HasSubstr("input_ids  I32 ["),
            HasSubstr("chat_template: checkpoint\n")));
}

TEST(TokenizeCommandTest, WritesTheSameBytesAgain) {
  const TempDirectory directory;
  const std::string a = directory.Path("a");
  const std::string b = directory.Path("b");
  EXPECT_EQ(RunCli(TokenizeArgs(a)).exit_status, 0);
  EXPECT_EQ(RunCli(TokenizeArgs(b)).exit_status, 0);
  MOE_ASSERT_OK_AND_ASSIGN(const std::string bytes_a,
                           base::ReadFile(a, 10 << 20));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string bytes_b,
                           base::ReadFile(b, 10 << 20));
  EXPECT_EQ(bytes_a, bytes_b);
}

TEST(TokenizeCommandTest, ReplacesOnRequestOnly) {
  const TempDirectory directory;
  const std::string path = directory.Write("a", "mine");
  const Outcome refused = RunCli(TokenizeArgs(path));
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.err, HasSubstr("already exists"));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string kept, base::ReadFile(path, 100));
  EXPECT_EQ(kept, "mine");
  EXPECT_THAT(RunCli(TokenizeArgs(directory.path())).err,
              HasSubstr("expected the name of a file, found"));
}

TEST(TokenizeCommandTest, ReplacesTokenArtifactsOnly) {
  const TempDirectory directory;
  const std::string path = directory.Write("a.jsonl", "{\"text\": \"a\"}\n");
  const Outcome refused = RunCli(With(TokenizeArgs(path), "--overwrite"));
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.err, HasSubstr(path + " is no token artifact"));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string kept, base::ReadFile(path, 100));
  EXPECT_EQ(kept, "{\"text\": \"a\"}\n");

  const std::string model = std::string(kGqa) + "/model.safetensors";
  const std::string copy = directory.Path("b");
  std::filesystem::copy_file(model, copy);
  EXPECT_THAT(RunCli(With(TokenizeArgs(copy), "--overwrite")).err,
              HasSubstr(copy + " is no token artifact"));
  std::vector<std::string> args =
      With(TokenizeArgs(directory.Path("c")), "--overwrite");
  args[2] = "--dataset_dir_or_path=" + path;
  EXPECT_EQ(RunCli(args).exit_status, 0);
  args[2] = "--dataset_dir_or_path=testdata/stories";
  EXPECT_THAT(RunCli(args).out,
              HasSubstr("sequences                          320\n"));
}

TEST(TokenizeCommandTest, LooksAtTheTargetFirst) {
  const TempDirectory directory;
  const std::string file = directory.Write("file", "");
  const Outcome below = RunCli(TokenizeArgs(file + "/sub/tokens"));
  EXPECT_EQ(below.exit_status, 2);
  EXPECT_THAT(below.err, HasSubstr("llama_moe tokenize: --save_path: "));
  EXPECT_THAT(below.err, HasSubstr(file));
  EXPECT_THAT(below.err, Not(HasSubstr("tokenizing")));
  EXPECT_EQ(RunCli(TokenizeArgs(directory.Path("new/sub/a"))).exit_status, 0);
}

TEST(TokenizeCommandTest, LooksWhetherItMayWriteFirst) {
  const TempDirectory directory;
  const std::string closed = directory.Path("closed");
  std::filesystem::create_directory(closed);
  std::filesystem::permissions(closed, std::filesystem::perms::owner_read |
                                           std::filesystem::perms::owner_exec);
  if (access(closed.c_str(), W_OK) == 0) GTEST_SKIP() << "root may write";
  const Outcome outcome = RunCli(TokenizeArgs(closed + "/a"));
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err,
              HasSubstr("the directory " + closed + " cannot be written to"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("tokenizing")));
}

TEST(TokenizeCommandTest, ATokenArtifactIsNoText) {
  const TempDirectory directory;
  const std::string path = directory.Path("a");
  EXPECT_EQ(RunCli(TokenizeArgs(path)).exit_status, 0);
  std::vector<std::string> args = TokenizeArgs(directory.Path("b"));
  args[2] = "--dataset_dir_or_path=" + path;
  EXPECT_EQ(RunCli(args).exit_status, 2);
  EXPECT_THAT(RunCli(args).err,
              HasSubstr("llama_moe tokenize: " + path +
                        ": expected JSON lines, a JSON array, CSV, TSV or "
                        "text, found a safetensors file"));
}

TEST(TokenizeCommandTest, PassesItsFlagsOn) {
  const TempDirectory directory;
  const std::string path = directory.Path("a");
  std::vector<std::string> args = TokenizeArgs(path);
  args.insert(args.end(), {"--chat_template=none", "--keep_system", "--json",
                           "--model_max_length=40"});
  const Outcome outcome = RunCli(args);
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json json,
                           base::ParseJsonObject(outcome.out));
  EXPECT_EQ(json["chat_template"], "none");
  EXPECT_GT(json["num_truncated_sequences"], 100);
  MOE_ASSERT_OK_AND_ASSIGN(const text::TokenArtifact artifact,
                           text::ReadTokenArtifact(path));
  EXPECT_EQ(artifact.info.model_max_length, 40);
  EXPECT_TRUE(artifact.info.keep_system);
}

TEST(TokenizeCommandTest, BadLinesEndItOrAreListed) {
  const TempDirectory directory;
  const std::string data =
      directory.Write("d.jsonl", "{\"text\": \"a\"}\n{\"text\": 1}\n");
  const std::vector<std::string> args = {
      "tokenize", std::string("--tokenizer_path=") + kGqa,
      "--dataset_dir_or_path=" + data, "--save_path=" + directory.Path("a")};
  const Outcome refused = RunCli(args);
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_EQ(refused.err, "llama_moe tokenize: " + data +
                             ":2: text: expected a string, found 1\n");
  EXPECT_EQ(directory.List(), std::vector<std::string>{"d.jsonl"});
  const Outcome listed = RunCli(With(args, "--skip_bad_lines"));
  EXPECT_EQ(listed.exit_status, 0);
  EXPECT_THAT(
      listed.out,
      AllOf(HasSubstr("bad lines left out                 1\n"),
            HasSubstr(
                "bad lines:\n  d.jsonl:2: text: expected a string, found 1")));
}

TEST(TokenizeCommandTest, TheVocabularyFitsTheModel) {
  const TempDirectory directory;
  const std::string model = directory.Path("model");
  std::filesystem::create_directory(model);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy_file(std::string(kGqa) + "/" + name,
                               model + "/" + name);
  }
  std::vector<std::string> args = TokenizeArgs(directory.Path("a"));
  args[1] = "--model_path=" + model;
  EXPECT_EQ(RunCli(args).exit_status, 0);  // There is no config.json.
  // The vocabulary without the added tokens, the last of which is <|eot_id|>.
  directory.Write("model/config.json", "{\"vocab_size\": 506}");
  const Outcome outcome = RunCli(With(args, "--overwrite"));
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err,
              HasSubstr("model/config.json: the tokenizer: expected ids below "
                        "506, the rows of the model's embedding (vocab_size), "
                        "found ids up to 506"));
  directory.Write("model/config.json", "{\"vocab_size\": 511}");
  EXPECT_THAT(RunCli(With(args, "--overwrite")).err,
              HasSubstr("the token \"<|eot_id|>\": expected an id below 511, "
                        "the rows of the model's embedding (vocab_size), found "
                        "511"));
}

TEST(TokenizeCommandTest, PutsTheTokensThatAreAskedForAroundAText) {
  const TempDirectory directory;
  const std::string path = directory.Path("a");
  std::vector<std::string> args = TokenizeArgs(path);
  args[2] = "--dataset_dir_or_path=" +
            directory.Write("d.jsonl", "{\"text\": \"<|eot_id|>\"}\n");
  const auto ids = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> all = With(args, "--overwrite");
    all.insert(all.end(), flags.begin(), flags.end());
    EXPECT_EQ(RunCli(all).exit_status, 0);
    const auto tokens = text::ReadTokenArtifact(path).value().dataset.sequences;
    return std::vector<int32_t>(tokens.input_ids(0).begin(),
                                tokens.input_ids(0).end());
  };
  EXPECT_THAT(ids({}), ElementsAre(507, 511));
  EXPECT_THAT(ids({"--add_bos=auto", "--add_eos=true"}),
              ElementsAre(507, 511, 508));
  EXPECT_THAT(ids({"--add_bos=false"}), ElementsAre(511));
  EXPECT_THAT(RunCli(With(args, "--add_bos=yes")).err, HasSubstr("--add_bos"));
}

TEST(TokenizeCommandTest, RefusesValuesOutOfRange) {
  const TempDirectory directory;
  const Outcome outcome =
      RunCli(With(TokenizeArgs(directory.Path("a")), "--model_max_length=0"));
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_EQ(outcome.err,
            "llama_moe tokenize: --model_max_length: expected a whole number, "
            "1 or more, found \"0\"\n");
}

}  // namespace
}  // namespace moe::cli
