#include "tools/cli/model_path.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::cli {
namespace {

using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::AllOf;
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
  // A checkpoint that has a folder of that name all the same.
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
  // Never followed elsewhere.
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
  // What is no name of a model is for its reader to refuse.
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

}  // namespace
}  // namespace moe::cli
