#include "moe/base/file_stamp.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::HasSubstr;

TEST(FileStampTest, TellsEveryKindOfChange) {
  const TempDirectory directory;
  const std::string path = directory.Write("f", "old");
  MOE_ASSERT_OK_AND_ASSIGN(const FileStamp stamp, StampOf(path));
  MOE_EXPECT_OK(CheckStamp(path, stamp));

  directory.Write("f", "longer");
  EXPECT_THAT(CheckStamp(path, stamp),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("it has 6 bytes, and had 3")));

  const auto modified = std::filesystem::last_write_time(path);
  directory.Write("f", "new");
  std::filesystem::last_write_time(path, modified);
  EXPECT_THAT(CheckStamp(path, stamp),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("written to")));

  std::filesystem::rename(directory.Write("g", "old"), path);
  EXPECT_THAT(CheckStamp(path, stamp),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another file")));

  std::filesystem::remove(path);
  EXPECT_THAT(CheckStamp(path, stamp),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("No such file")));
}

TEST(FileStampTest, AMissingFileIsAnError) {
  EXPECT_THAT(StampOf("/nowhere/f"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace moe
