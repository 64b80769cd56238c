#include "tools/cli/prepare_paths.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

// A cache with models that have one, two and no snapshots.
class ResolveModelPathTest : public ::testing::Test {
 protected:
  ResolveModelPathTest() {
    directory_.Write("hub/models--acme--Fox/snapshots/1f0a/config.json", "{}");
    directory_.Write("hub/models--acme--Fox/snapshots/2b/config.json", "{}");
    directory_.Write("hub/models--acme--Fox/refs/main", "1f0a\n");
    directory_.Write("hub/models--solo/snapshots/aa/config.json", "{}");
    std::filesystem::create_directories(Hub("models--acme--none/blobs"));
  }

  std::string Hub(const std::string& name) const {
    return directory_.Path("hub/" + name);
  }
  absl::StatusOr<ModelPath> Resolve(const std::string& given) const {
    return ResolveModelPath(given, directory_.Path("hub"));
  }

  const TempDirectory directory_;
};

auto Is(const std::string& path, const std::string& hub_folder) {
  return IsOkAndHolds(AllOf(Field(&ModelPath::path, path),
                            Field(&ModelPath::hub_folder, hub_folder)));
}

TEST_F(ResolveModelPathTest, WhatExistsIsItself) {
  const std::string snapshot = Hub("models--acme--Fox/snapshots/2b");
  EXPECT_THAT(Resolve(snapshot), Is(snapshot, ""));
  const std::string file = directory_.Write("model.safetensors", "");
  EXPECT_THAT(Resolve(file), Is(file, ""));
  // A checkpoint that also has a folder named "snapshots".
  directory_.Write("model/config.json", "{}");
  directory_.Write("model/snapshots/1/x", "");
  EXPECT_THAT(Resolve(directory_.Path("model")),
              Is(directory_.Path("model"), ""));
}

TEST_F(ResolveModelPathTest, AModelsFolderIsItsMainSnapshot) {
  const std::string folder = Hub("models--acme--Fox");
  EXPECT_THAT(Resolve(folder), Is(folder + "/snapshots/1f0a", folder));
  EXPECT_THAT(Resolve(folder + "/"), Is(folder + "/snapshots/1f0a", folder));
  EXPECT_THAT(Resolve("acme/Fox"), Is(folder + "/snapshots/1f0a", folder));
}

TEST_F(ResolveModelPathTest, TheOnlySnapshotNeedsNoRef) {
  EXPECT_THAT(Resolve("solo"),
              Is(Hub("models--solo/snapshots/aa"), Hub("models--solo")));
}

TEST_F(ResolveModelPathTest, ListsTheSnapshotsWhereOneIsNotMeant) {
  std::filesystem::remove(Hub("models--acme--Fox/refs/main"));
  EXPECT_THAT(Resolve("acme/Fox"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("no refs/main"),
                             HasSubstr("snapshots/1f0a, snapshots/2b"))));
  // refs/main never leads out of the snapshots.
  directory_.Write("hub/models--acme--Fox/refs/main", "../../../model");
  EXPECT_THAT(Resolve("acme/Fox"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("../../../model, which is not there"),
                             HasSubstr("snapshots/2b"))));
  EXPECT_THAT(Resolve("acme/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no snapshots")));
}

TEST_F(ResolveModelPathTest, SaysWhereItLookedForAModel) {
  EXPECT_THAT(Resolve("acme/Hare"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("acme/Hare does not exist"),
                             HasSubstr(directory_.Path("hub")),
                             HasSubstr("hf download acme/Hare"))));
  // A text that names no model is returned as it is. Its reader refuses it.
  for (const std::string given :
       {"a/b/c", "/acme/Fox", "acme--Fox", "../Fox", "acme/", "a b"}) {
    EXPECT_THAT(Resolve(given), Is(given, ""));
  }
}

TEST(HubCacheFromEnvironmentTest, AsTheHubsLibraryFindsIt) {
  for (const char* name :
       {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) {
    ::unsetenv(name);
  }
  ::setenv("HOME", "/home/ann", 1);
  EXPECT_EQ(HubCacheFromEnvironment(), "/home/ann/.cache/huggingface/hub");
  ::setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(HubCacheFromEnvironment(), "/cache/huggingface/hub");
  ::setenv("HF_HOME", "~/hf", 1);
  EXPECT_EQ(HubCacheFromEnvironment(), "/home/ann/hf/hub");
  ::setenv("HUGGINGFACE_HUB_CACHE", "/old", 1);
  EXPECT_EQ(HubCacheFromEnvironment(), "/old");
  ::setenv("HF_HUB_CACHE", "~/new", 1);
  EXPECT_EQ(HubCacheFromEnvironment(), "/home/ann/new");
}

class PreparePathsTest : public ::testing::Test {
 protected:
  PreparePathsTest() {
    directory_.Write("model/config.json", "{}");
    directory_.Write("data.jsonl", "");
    directory_.Write("results/lock", "");
  }

  // Prepares flags whose paths lie below the directory.
  absl::StatusOr<std::vector<std::string>> Prepare(const std::string& file,
                                                   const std::string& whole,
                                                   const std::string& folder) {
    CLI::App app;
    FlagSet flags(app);
    std::string model;
    std::vector<std::string> made;
    std::string results;
    flags.AddString({.names = {"model"}, .path = Option::INPUT_PATH}, &model);
    flags.AddStrings({.names = {"made"}, .path = Option::NAMED_INPUT_PATH},
                     &made);
    flags.AddString({.names = {"results"}, .path = Option::RESULTS_PATH},
                    &results);
    flags.AddString({.names = {"file"}, .path = Option::OUTPUT_FILE}, &file_);
    flags.AddString({.names = {"whole"}, .path = Option::OUTPUT_DIRECTORY},
                    &whole_);
    flags.AddString({.names = {"folder"}, .path = Option::OUTPUT_FOLDER},
                    &folder_);
    std::vector<std::string> args = {
        absl::StrCat("--model=", directory_.Path("model")),
        absl::StrCat("--made=data=", directory_.Path("data.jsonl")),
        absl::StrCat("--results=", directory_.Path("results")),
        absl::StrCat("--file=", directory_.Path(file)),
        absl::StrCat("--whole=", directory_.Path(whole)),
        absl::StrCat("--folder=", directory_.Path(folder))};
    std::reverse(args.begin(), args.end());
    app.parse(args);
    MOE_RETURN_IF_ERROR(flags.Store());
    return PreparePaths(flags);
  }

  TempDirectory directory_;
  std::string file_;
  std::string whole_;
  std::string folder_;
};

TEST_F(PreparePathsTest, TakesWhatIsApart) {
  EXPECT_THAT(Prepare("a/f", "a/w", "a"), IsOkAndHolds(ElementsAre()));
  EXPECT_THAT(Prepare("results/f", "results/w", "results/o"), IsOk());
  // Outputs may lie beside the inputs.
  EXPECT_THAT(Prepare("f", "w", "."), IsOk());
}

TEST_F(PreparePathsTest, RefusesOutputsInAndAroundInputs) {
  std::filesystem::create_directory_symlink(directory_.Path("model"),
                                            directory_.Path("link"));
  struct Case {
    const char* file;
    const char* whole;
    const char* folder;
    const char* message;
  };
  for (const Case& c : {
           Case{"data.jsonl", "w", "o", "is the input --made"},
           {"model/f", "w", "o", "lies in the input --model"},
           {"link/f", "w", "o", "lies in the input --model"},
           {"f", "model", "o", "is the input --model"},
           {"f", "link", "o", "is the input --model"},
           {"f", "model/new/er", "o", "lies in the input --model"},
           {"f", "results", "o", "is the input --results"},
           {"f", ".", "o", "holds the input --model"},
           {"f", "w", "model", "is the input --model"},
           {"f", "w", "model/new", "lies in the input --model"},
           {"f", "f", "o", "are both"},
       }) {
    EXPECT_THAT(
        Prepare(c.file, c.whole, c.folder),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)));
  }
}

TEST_F(PreparePathsTest, FollowsALinkOnceAndSaysSo) {
  std::filesystem::create_symlink("disk", directory_.Path("link"));
  const std::string disk =
      std::filesystem::canonical(directory_.path()).string() + "/disk";
  EXPECT_THAT(Prepare("f", "link/", "o"),
              IsOkAndHolds(ElementsAre(HasSubstr("writing to " + disk))));
  EXPECT_EQ(whole_, disk);
  std::filesystem::create_symlink("link", directory_.Path("chain"));
  EXPECT_THAT(Prepare("f", "chain", "o"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is a symbolic link too")));
}

TEST_F(PreparePathsTest, AModelInACacheIsItsSnapshot) {
  const std::string folder = directory_.Path("hub/models--acme--Fox");
  directory_.Write("hub/models--acme--Fox/snapshots/1f/config.json", "{}");
  CLI::App app;
  FlagSet flags(app);
  std::string model;
  flags.AddString(
      {.names = {}, .positional = "PATH", .path = Option::MODEL_PATH}, &model);
  flags.AddString({.names = {"out"}, .path = Option::OUTPUT_FILE}, &file_);
  app.parse(absl::StrCat(folder, " --out=", folder, "/blobs/x"));
  EXPECT_THAT(flags.Store(), IsOk());
  // The blobs are an input, too.
  EXPECT_THAT(PreparePaths(flags),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("lies in the input PATH")));
  EXPECT_EQ(model, folder + "/snapshots/1f");
}

}  // namespace

}  // namespace moe::cli
