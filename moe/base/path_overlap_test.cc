#include "moe/base/path_overlap.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::HasSubstr;

TEST(PathOverlapTest, FollowsDirectoriesUpAndLinksAndOtherNames) {
  const TempDirectory directory;
  const std::string model = directory.Path("data/model");
  directory.Write("data/model/config.json", "{}");
  directory.Write("other/x", "");
  std::filesystem::create_directory_symlink(model, directory.Path("link"));
  std::filesystem::create_hard_link(model + "/config.json",
                                    directory.Path("other/hard"));
  struct Case {
    const char* path;
    Overlap overlap;
  };
  for (const Case& c : {Case{"data/model", Overlap::kSame},
                        {"data/model/", Overlap::kSame},
                        {"other/../data/./model", Overlap::kSame},
                        {"link", Overlap::kSame},
                        {"link/new", Overlap::kInside},
                        {"data/model/new/newer", Overlap::kInside},
                        {"data/model/config.json", Overlap::kInside},
                        {"data", Overlap::kHolds},
                        {"", Overlap::kNone},
                        {"data/model2", Overlap::kNone},
                        {"data/mode", Overlap::kNone},
                        {"other", Overlap::kNone},
                        {"new/data/model", Overlap::kNone}}) {
    EXPECT_EQ(OverlapOf(*c.path == '\0' ? "" : directory.Path(c.path), model),
              c.overlap)
        << c.path;
  }
  EXPECT_EQ(OverlapOf(directory.path(), model), Overlap::kHolds);
  EXPECT_EQ(OverlapOf("/", model), Overlap::kHolds);
  EXPECT_EQ(OverlapOf(directory.Path("other/hard"), model + "/config.json"),
            Overlap::kSame);
}

TEST(PathOverlapTest, CheckApartNamesBoth) {
  const TempDirectory directory;
  directory.Write("model/x", "");
  EXPECT_THAT(CheckApart(directory.Path("model/new"), directory.Path("model")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("found one that lies in the input")));
  MOE_EXPECT_OK(CheckApart(directory.Path("new"), directory.Path("model")));
}

TEST(PathOverlapTest, FollowsALinkWhereItLies) {
  const TempDirectory directory;
  directory.Write("a/deep/x", "");
  std::filesystem::create_directory_symlink("a/deep", directory.Path("to"));
  // Relative to a/deep, where the link really lies.
  std::filesystem::create_symlink("../new", directory.Path("to/link"));
  EXPECT_THAT(
      FollowTargetLink(directory.Path("to/link")),
      IsOkAndHolds(std::filesystem::canonical(directory.path()).string() +
                   "/a/new"));
  EXPECT_THAT(FollowTargetLink(directory.Path("a/x/")),
              IsOkAndHolds(directory.Path("a/x")));
}

}  // namespace
}  // namespace moe::base
