#include "tools/cli/frame.h"

#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "tools/cli/command.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Outcome {
  int exit_status = -1;
  std::string out;
  std::string err;
};

// Writes its argument. "differs", "error" and "throw" end in another way.
CommandAction DeclareEcho(FlagSet& flags) {
  const auto text = std::make_shared<std::string>();
  flags.AddString({.names = {"text", "words"},
                   .positional = "TEXT",
                   .what = "what to write",
                   .required = true},
                  text.get());
  return [text](CommandContext& context) -> absl::StatusOr<int> {
    if (*text == "error") return absl::NotFoundError("no such text");
    if (*text == "throw") throw std::runtime_error("out of text");
    context.progress.Start("writing", 1, "texts");
    context.progress.Finish();
    context.out << *text;
    return *text == "differs" ? kDiffers : kSuccess;
  };
}

CommandAction DeclareNothing(FlagSet&) {
  return [](CommandContext&) -> absl::StatusOr<int> { return kSuccess; };
}

std::vector<Command> Commands() {
  return {{"cluster",
           {},
           "finds centres",
           CommandSection::kPipeline,
           "",
           DeclareNothing},
          {"echo",
           {"say"},
           "writes a text",
           CommandSection::kHelper,
           "Nothing else.\n",
           DeclareEcho}};
}

Outcome RunCliWith(const std::vector<std::string>& args, std::ostream& out) {
  std::ostringstream err;
  Outcome outcome;
  outcome.exit_status = RunCommandLine(Commands(), args, out, err);
  outcome.err = err.str();
  return outcome;
}

Outcome RunCli(const std::vector<std::string>& args) {
  std::ostringstream out;
  Outcome outcome = RunCliWith(args, out);
  outcome.out = out.str();
  return outcome;
}

void ExpectError(const std::vector<std::string>& args,
                 const std::string& message) {
  const Outcome outcome = RunCli(args);
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, message + "\n");
}

TEST(RunCommandLineTest, RunsACommandByNameAndAlias) {
  EXPECT_EQ(RunCli({"echo", "hello"}).out, "hello");
  EXPECT_EQ(RunCli({"say", "--words=hello"}).out, "hello");
  EXPECT_EQ(RunCli({"echo", "hello"}).exit_status, 0);
  EXPECT_EQ(RunCli({"echo", "differs"}).exit_status, 1);
}

TEST(RunCommandLineTest, AnArgumentMayBeNamedLikeACommand) {
  EXPECT_EQ(RunCli({"echo", "cluster"}).out, "cluster");
  EXPECT_EQ(RunCli({"echo", "--", "--text"}).out, "--text");
}

TEST(RunCommandLineTest, ReportsWhatACommandReports) {
  ExpectError({"echo", "error"}, "llama_moe echo: no such text");
  ExpectError({"echo", "throw"}, "llama_moe echo: out of text");
}

TEST(RunCommandLineTest, ShowsProgressAsAsked) {
  EXPECT_THAT(RunCli({"echo", "hello", "--progress=lines"}).err,
              HasSubstr("writing: "));
  EXPECT_EQ(RunCli({"echo", "hello", "--progress", "none"}).err, "");
  EXPECT_THAT(RunCli({"echo", "hello", "--progress=bar"}).err, HasSubstr("\r"));
}

TEST(RunCommandLineTest, HelpListsCommandsInTheirOrder) {
  for (const auto& args : std::vector<std::vector<std::string>>{
           {"--help"}, {"-h"}, {"help"}, {"help", "--help"}}) {
    const Outcome outcome = RunCli(args);
    EXPECT_EQ(outcome.exit_status, 0);
    EXPECT_THAT(outcome.out,
                HasSubstr("The pipeline, in the order of its steps:\n"
                          "  cluster  finds centres\n"
                          "\n"
                          "Helpers:\n"
                          "  echo     writes a text (alias say)\n"));
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(RunCommandLineTest, HelpOfACommandListsItsFlags) {
  for (const auto& args :
       std::vector<std::vector<std::string>>{{"echo", "--help"},
                                             {"help", "echo"},
                                             {"echo", "-h"},
                                             {"echo", "--bogus", "--help"}}) {
    const Outcome outcome = RunCli(args);
    EXPECT_EQ(outcome.exit_status, 0);
    EXPECT_THAT(
        outcome.out,
        AllOf(StartsWith("llama_moe echo writes a text.\n\n"
                         "usage: llama_moe echo TEXT [flags]\n\n"),
              HasSubstr("  TEXT or --text=TEXT             what to write; "
                        "required; alias --words\n"),
              HasSubstr("  --progress=auto|bar|lines|none  "),
              HasSubstr("\nNothing else.\n")));
  }
}

TEST(RunCommandLineTest, PrintsTheVersion) {
  EXPECT_THAT(RunCli({"--version"}).out, StartsWith("llama_moe "));
}

TEST(RunCommandLineTest, NothingAtAllGetsHelpAndAnError) {
  const Outcome outcome = RunCli({});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("usage: llama_moe COMMAND"));
}

TEST(RunCommandLineTest, SuggestsCommands) {
  ExpectError({"ehco", "hello"},
              "llama_moe: there is no command \"ehco\"; did you mean echo? "
              "(llama_moe --help lists the commands)");
  ExpectError({"help", "clutser"},
              "llama_moe: there is no command \"clutser\"; did you mean "
              "cluster? (llama_moe --help lists the commands)");
  ExpectError({"unrelated"},
              "llama_moe: there is no command \"unrelated\" (llama_moe --help "
              "lists the commands)");
}

TEST(RunCommandLineTest, SuggestsFlags) {
  ExpectError({"echo", "--txet=hello"},
              "llama_moe echo: there is no flag --txet; did you mean --text? "
              "(llama_moe echo --help lists the flags)");
  ExpectError({"echo", "hello", "--bogus", "1"},
              "llama_moe echo: there is no flag --bogus (llama_moe echo --help "
              "lists the flags)");
  ExpectError(
      {"--progress=none", "echo", "hello"},
      "llama_moe echo: there is no flag --progress before the command (a "
      "command's flags follow its name)");
  ExpectError({"--hlep"},
              "llama_moe: there is no flag --hlep before the command; did you "
              "mean --help? (a command's flags follow its name)");
}

TEST(RunCommandLineTest, RefusesArgumentsThatDoNotFit) {
  ExpectError(
      {"echo", "one", "two"},
      "llama_moe echo: expected TEXT, found one argument more, \"two\"");
  ExpectError(
      {"cluster", "one"},
      "llama_moe cluster: expected flags only, found one argument more, "
      "\"one\"");
  ExpectError({"echo"},
              "llama_moe echo: TEXT or --text=TEXT is missing: what to write");
  ExpectError({"echo", "hello", "--progress"},
              "llama_moe echo: --progress: expected a value, found none");
  ExpectError({"echo", "hello", "--progress=fast"},
              "llama_moe echo: --progress: expected one of auto, bar, lines, "
              "none, found \"fast\"");
}

TEST(RunCommandLineTest, AFlagDoesNotTakeTheNextOneForItsValue) {
  ExpectError({"say", "--words", "--progress=none"},
              "llama_moe echo: --words: expected a value, found the flag "
              "\"--progress=none\"; write --words=VALUE, or "
              "--words=--progress=none if that is the value");
  ExpectError({"echo", "--text=", "hello"},
              "llama_moe echo: --text= has nothing after \"=\"; write "
              "--text=VALUE, or leave the flag out");
  EXPECT_EQ(RunCli({"echo", "--text=--progress"}).out, "--progress");
  EXPECT_EQ(RunCli({"echo", "--text", "-1"}).out, "-1");
}

// Neither a file's name nor its content acts on a terminal.
TEST(RunCommandLineTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(RunCli({"echo", "a\tb\n\x1b[2J\u009b\u202e\x9b"}).out,
            "a\tb\n\\u001b[2J\\u009b\\u202e\\x9b");
  ExpectError({"echo", "one", "t\x1bw\no\x9b"},
              "llama_moe echo: expected TEXT, found one argument more, "
              "\"t\\u001bw\no\\x9b\"");
  ExpectError({"\x1b[2J"},
              "llama_moe: there is no command \"\\u001b[2J\" (llama_moe --help "
              "lists the commands)");
}

TEST(RunCommandLineTest, NoticesThatTheOutputCannotBeWritten) {
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  const Outcome outcome = RunCliWith({"echo", "hello", "--progress=none"}, out);
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_EQ(outcome.err,
            "llama_moe echo: standard output cannot be written to\n");
}

}  // namespace
}  // namespace moe::cli
