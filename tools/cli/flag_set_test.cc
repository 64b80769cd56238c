#include "tools/cli/flag_set.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/evaluate/diff_options.pb.h"

namespace moe::cli {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Optional;

// One flag of each kind.
struct Sample {
  Sample() : flags(app) {
    app.set_help_flag();
    flags.AddString({.names = {"model_path", "model_name_or_path"},
                     .positional = "PATH",
                     .what = "the model",
                     .required = true},
                    &path);
    flags.AddInt({.names = {"seed"}, .what = "the seed"}, {.min = 0}, &seed);
    flags.AddInt({.names = {"max_ulp"}, .what = "limit", .unit = "ULP"},
                 {.min = 0, .max = 64}, &max_ulp);
    flags.AddOptions(&options, {"atol", "max_ulp", "ignore_config"});
    flags.AddBool({.names = {"json"}, .what = "print JSON"}, &json);
    flags.AddChoice({.names = {"metric"}, .what = "the metric"}, {"l2", "cos"},
                    &metric);
  }

  absl::Status Parse(std::vector<std::string> args) {
    std::reverse(args.begin(), args.end());
    app.parse(std::move(args));
    return flags.Store();
  }

  CLI::App app;
  FlagSet flags;
  std::string path;
  int64_t seed = 7;
  std::optional<int64_t> max_ulp;
  DiffOptions options;
  bool json = false;
  std::string metric = "l2";
};

auto IsInvalid(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, Eq(message));
}

TEST(FlagSetTest, KeepsDefaults) {
  Sample sample;
  EXPECT_THAT(sample.Parse({"dir"}), IsOk());
  EXPECT_EQ(sample.path, "dir");
  EXPECT_EQ(sample.seed, 7);
  EXPECT_EQ(sample.max_ulp, std::nullopt);
  EXPECT_FALSE(sample.options.has_rtol());
  EXPECT_FALSE(sample.json);
  EXPECT_EQ(sample.metric, "l2");
}

TEST(FlagSetTest, SetsValuesInBothForms) {
  Sample sample;
  EXPECT_THAT(sample.Parse({"--model_path=dir", "--seed", "9", "--max_ulp=64",
                            "--rtol", "1e-3", "--json", "--metric=cos"}),
              IsOk());
  EXPECT_EQ(sample.path, "dir");
  EXPECT_EQ(sample.seed, 9);
  EXPECT_THAT(sample.max_ulp, Optional(64));
  EXPECT_EQ(sample.options.rtol(), 1e-3);
  EXPECT_TRUE(sample.json);
  EXPECT_EQ(sample.metric, "cos");
}

TEST(FlagSetTest, TakesAliasesAndSwitchedOffSwitches) {
  Sample sample;
  EXPECT_THAT(sample.Parse({"--json=false", "--model_name_or_path", "dir"}),
              IsOk());
  EXPECT_EQ(sample.path, "dir");
  EXPECT_FALSE(sample.json);
}

TEST(FlagSetTest, ASwitchTakesNoValueAfterABlank) {
  Sample sample;
  EXPECT_THAT(sample.Parse({"--json", "dir"}), IsOk());
  EXPECT_EQ(sample.path, "dir");
}

TEST(FlagSetTest, NamesFlagValueAndRange) {
  EXPECT_THAT(
      Sample().Parse({"dir", "--seed=-1"}),
      IsInvalid("--seed: expected a whole number, 0 or more, found \"-1\""));
  EXPECT_THAT(
      Sample().Parse({"dir", "--seed", "-1"}),
      IsInvalid("--seed: expected a whole number, 0 or more, found \"-1\""));
  EXPECT_THAT(
      Sample().Parse({"dir", "--seed=1.5"}),
      IsInvalid("--seed: expected a whole number, 0 or more, found \"1.5\""));
  EXPECT_THAT(Sample().Parse({"dir", "--seed=9223372036854775808"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      Sample().Parse({"dir", "--max_ulp=65"}),
      IsInvalid("--max_ulp: expected a whole number, 0 to 64, found \"65\""));
  EXPECT_THAT(Sample().Parse({"dir", "--rtol=nan"}),
              IsInvalid("--rtol: expected a number, 0 or more, found \"nan\""));
  EXPECT_THAT(Sample().Parse({"dir", "--rtol=inf"}),
              IsInvalid("--rtol: expected a number, 0 or more, found \"inf\""));
  EXPECT_THAT(Sample().Parse({"dir", "--json=1"}),
              IsInvalid("--json: expected true or false, found \"1\""));
  EXPECT_THAT(Sample().Parse({"dir", "--metric=L2"}),
              IsInvalid("--metric: expected one of l2, cos, found \"L2\""));
}

TEST(FlagSetTest, AFlagDoesNotTakeTheNextOneForItsValue) {
  const Sample sample;
  EXPECT_THAT(
      sample.flags.CheckWords({"--model_name_or_path", "--json"}),
      IsInvalid("--model_name_or_path: expected a value, found the flag "
                "\"--json\"; write --model_name_or_path=VALUE, or "
                "--model_name_or_path=--json if that is the value"));
  for (const char* next : {"--json", "--rtol=1", "--bogus", "--", "-h"}) {
    for (const char* flag : {"--seed", "--rtol", "--metric", "--max_ulp"}) {
      EXPECT_THAT(sample.flags.CheckWords({"dir", flag, next}),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr(absl::StrCat(flag, "=", next))));
    }
  }
}

TEST(FlagSetTest, NothingAfterTheEqualsSignIsAnError) {
  const Sample sample;
  EXPECT_THAT(sample.flags.CheckWords({"--metric=", "cos"}),
              IsInvalid("--metric= has nothing after \"=\"; write "
                        "--metric=VALUE, or leave the flag out"));
  EXPECT_THAT(sample.flags.CheckWords({"--json="}),
              IsInvalid("--json= has nothing after \"=\"; write --json, "
                        "--json=true or --json=false"));
}

TEST(FlagSetTest, OtherWordsAreValues) {
  const Sample sample;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"--seed", "-1", "--json", "-x"},
           {"--model_path=--json", "--metric", "-"},
           {"--seed", "seed", "--json=true"},
           {"--", "--seed", "--json"},
           {"--bogus=", "--bogus", "--json", "--", "--metric="},
           // CLI11 itself reports that the value is missing.
           {"--seed"}}) {
    EXPECT_THAT(sample.flags.CheckWords(words), IsOk());
  }
}

TEST(FlagSetTest, KnowsItsSwitches) {
  const Sample sample;
  EXPECT_TRUE(sample.flags.IsSwitch("--json"));
  EXPECT_FALSE(sample.flags.IsSwitch("--model_name_or_path"));
  EXPECT_FALSE(sample.flags.IsSwitch("--bogus"));
}

TEST(FlagSetTest, RefusesAFlagGivenTwice) {
  EXPECT_THAT(Sample().Parse({"dir", "--seed=1", "--seed=2"}),
              IsInvalid("--seed: expected one value, found \"1\" and \"2\""));
  EXPECT_THAT(Sample().Parse({"dir", "--model_path=other"}),
              IsInvalid("--model_path: expected one value, found \"dir\" and "
                        "\"other\""));
}

TEST(FlagSetTest, NamesAMissingFlag) {
  EXPECT_THAT(Sample().Parse({}),
              IsInvalid("PATH or --model_path=PATH is missing: the model"));
}

TEST(FlagSetTest, HelpHasALineForEachFlag) {
  const Sample sample;
  EXPECT_EQ(sample.flags.Usage(), "PATH [flags]");
  EXPECT_EQ(
      sample.flags.Help(),
      "  PATH or --model_path=PATH  the model; required; alias "
      "--model_name_or_path\n"
      "  --seed=N                   the seed; default 7; 0 or more\n"
      "  --max_ulp=N                limit; default none; unit ULP; 0 to 64\n"
      "  --rtol=NUMBER              relative tolerance: |a - b| <= atol + rtol "
      "* |b| passes; default none; 0 or more\n"
      "  --json                     print JSON; default false\n"
      "  --metric=l2|cos            the metric; default l2\n");
}

TEST(FormatRangeTest, SaysWhatIsAllowed) {
  EXPECT_EQ(FormatRange(IntRange{}), "");
  EXPECT_EQ(FormatRange(IntRange{.min = 1}), "1 or more");
  EXPECT_EQ(FormatRange(IntRange{.max = 8}), "8 or less");
}

// Flags that --merge replaces.
struct Alternatives {
  Alternatives() : flags(app) {
    app.set_help_flag();
    flags.AddString({.names = {"model"}, .what = "a model", .required = true},
                    &model);
    flags.AddInt({.names = {"seed"}, .what = "the seed"}, {}, &seed);
    flags.SetAlternative("merge");
    flags.AddStrings({.names = {"merge"}, .what = "parts"}, &merge);
    flags.AddString({.names = {"out"}, .what = "a file", .required = true},
                    &out);
  }

  absl::Status Parse(std::vector<std::string> args) {
    std::reverse(args.begin(), args.end());
    app.parse(std::move(args));
    return flags.Store();
  }

  CLI::App app;
  FlagSet flags;
  std::string model;
  std::string out;
  int64_t seed = 0;
  std::vector<std::string> merge;
};

TEST(FlagSetTest, AListTakesWhatFollows) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"--merge", "a", "b", "--out=x"},
        {"--out=x", "--merge=a", "b"},
        {"--merge", "a", "--out", "x", "--merge=b"}}) {
    Alternatives sample;
    EXPECT_THAT(sample.Parse(args), IsOk());
    EXPECT_THAT(sample.merge, ElementsAre("a", "b"));
    EXPECT_EQ(sample.out, "x");
  }
}

TEST(FlagSetTest, AListWithoutAValueIsAnError) {
  const Alternatives sample;
  EXPECT_THAT(sample.flags.CheckWords({"--merge", "--out=x"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--merge: expected a value")));
  EXPECT_THAT(sample.flags.CheckWords({"--merge=", "a"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--merge= has nothing")));
  EXPECT_THAT(sample.flags.CheckWords({"--merge", "a", "b", "--out=x"}),
              IsOk());
}

TEST(FlagSetTest, AnAlternativeReplacesFlags) {
  EXPECT_THAT(Alternatives().Parse({"--out=x", "--model=m"}), IsOk());
  EXPECT_THAT(Alternatives().Parse({"--out=x"}),
              IsInvalid("--model=TEXT is missing: a model"));
  EXPECT_THAT(Alternatives().Parse({"--merge=a"}),
              IsInvalid("--out=TEXT is missing: a file"));
  EXPECT_THAT(
      Alternatives().Parse({"--out=x", "--merge=a", "--seed=1"}),
      IsInvalid("expected --seed or --merge, found both; leave one out"));
  EXPECT_THAT(Alternatives().flags.Help(),
              HasSubstr("required without --merge"));
}

}  // namespace
}  // namespace moe::cli
