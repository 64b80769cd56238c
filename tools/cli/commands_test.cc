#include "tools/cli/commands.h"

#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/json.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::cli {
namespace {

using ::moe::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kGqa[] = "testdata/llama_gqa_bf16";
constexpr char kValid[] = "testdata/malformed/valid";
constexpr char kNan[] = "testdata/malformed/value_nan";

struct Outcome {
  int exit_status = -1;
  std::string out;
  std::string err;
};

Outcome RunCli(std::vector<std::string> args) {
  args.push_back("--progress=none");
  std::ostringstream out;
  std::ostringstream err;
  Outcome outcome;
  outcome.exit_status = RunLlamaMoe(args, out, err);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

// A file with the BF16 tensor "w" of these bits.
std::string WriteBf16(const TempDirectory& directory, const std::string& name,
                      const std::vector<uint16_t>& bits) {
  const std::string path = directory.Path(name);
  const HostTensor tensor{
      Dtype::kBF16,
      {static_cast<int64_t>(bits.size())},
      std::string(reinterpret_cast<const char*>(bits.data()),
                  bits.size() * sizeof(uint16_t))};
  EXPECT_THAT(WriteSafetensorsFile(path, {{"w", tensor}}, {}, false),
              ::moe::testing::IsOk());
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
  MOE_ASSERT_OK_AND_ASSIGN(const Json json, ParseJsonObject(outcome.out));
  EXPECT_EQ(json["model_type"], "llama");
}

TEST(InspectCommandTest, RefusesWhatIsNotInOrder) {
  EXPECT_EQ(RunCli({"inspect", kNan}).exit_status, 0);
  const Outcome nan = RunCli({"inspect", kNan, "--check_values"});
  EXPECT_EQ(nan.exit_status, 2);
  EXPECT_EQ(nan.out, "");
  EXPECT_THAT(nan.err, HasSubstr("has a NaN or infinity at element 5"));
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
  MOE_ASSERT_OK_AND_ASSIGN(const Json json, ParseJsonObject(outcome.out));
  EXPECT_EQ(json["counts"]["differs"], 1);
}

TEST(DiffCommandTest, RefusesValuesOutOfRange) {
  const Outcome outcome = RunCli({"diff", kValid, kNan, "--max_ulp=-1"});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_EQ(outcome.err,
            "llama_moe diff: --max_ulp is \"-1\"; wanted is a whole number, 0 "
            "or more\n");
}

}  // namespace
}  // namespace moe::cli
