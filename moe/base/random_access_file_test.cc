#include "moe/base/random_access_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(RandomAccessFileTest, ReadsAtPositions) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      RandomAccessFile opened,
      RandomAccessFile::Open(directory.Write("f", "0123456789")));
  const RandomAccessFile file = std::move(opened);
  EXPECT_EQ(file.size_bytes(), 10u);
  std::string out(3, '\0');
  MOE_EXPECT_OK(file.Read(4, absl::MakeSpan(out)));
  EXPECT_EQ(out, "456");
  MOE_EXPECT_OK(file.Read(10, absl::Span<char>()));
}

TEST(RandomAccessFileTest, AFileThatIsCutShortIsDataLoss) {
  const TempDirectory directory;
  const std::string path = directory.Write("f", "0123456789");
  MOE_ASSERT_OK_AND_ASSIGN(const RandomAccessFile file,
                           RandomAccessFile::Open(path));
  std::filesystem::resize_file(path, 6);
  std::string out(5, '\0');
  EXPECT_THAT(file.Read(4, absl::MakeSpan(out)),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(path), HasSubstr("expected 5 bytes"),
                             HasSubstr("offset 4"), HasSubstr("found 2"))));
}

TEST(RandomAccessFileTest, RefusesWhatIsNotAFile) {
  const TempDirectory directory;
  EXPECT_THAT(RandomAccessFile::Open(directory.Path("absent")),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr(directory.Path("absent"))));
  EXPECT_THAT(
      RandomAccessFile::Open(directory.path()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected a regular file, found a directory")));
  EXPECT_THAT(
      RandomAccessFile::Open("/dev/null"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected a regular file, found something else")));
}

TEST(RandomAccessFileTest, CallsAGitLfsPointerThat) {
  const TempDirectory directory;
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4943\n";
  EXPECT_THAT(RandomAccessFile::Open(directory.Write("weights", pointer)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(directory.Path("weights")),
                             HasSubstr("Git LFS pointer of 67 bytes"),
                             HasSubstr("`git lfs pull`"))));
  // Neither is a text that speaks of one, nor a file that is too long.
  EXPECT_THAT(
      ReadFile(directory.Write("notes", "The " + pointer), 1 << 10).status(),
      IsOk());
  EXPECT_THAT(RandomAccessFile::Open(
                  directory.Write("long", pointer + std::string(1024, ' ')))
                  .status(),
              IsOk());
}

TEST(ReadFileTest, ReadsWholeUpToTheLimit) {
  const TempDirectory directory;
  const std::string path = directory.Write("f", "0123456789");
  EXPECT_THAT(ReadFile(path, 10), IsOkAndHolds(std::string("0123456789")));
  EXPECT_THAT(
      ReadFile(path, 9),
      StatusIs(absl::StatusCode::kResourceExhausted,
               AllOf(HasSubstr(path), HasSubstr("at most 9 bytes, found 10"))));
}

}  // namespace
}  // namespace moe::base

namespace moe::base::internal {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(ReadAtTest, FillsTheSpanOrEndsWithTheFile) {
  const testing::TempDirectory directory;
  const std::string path = directory.Write("file", "0123456789");
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  ASSERT_GE(descriptor, 0);
  std::string out(4, '?');
  EXPECT_THAT(ReadAt(descriptor, 3, absl::MakeSpan(out)), IsOkAndHolds(4));
  EXPECT_EQ(out, "3456");
  EXPECT_THAT(ReadAt(descriptor, 8, absl::MakeSpan(out)), IsOkAndHolds(2));
  EXPECT_EQ(out, "8956");
  EXPECT_THAT(ReadAt(descriptor, 10, absl::MakeSpan(out)), IsOkAndHolds(0));
  EXPECT_EQ(::close(descriptor), 0);
}

TEST(ReadAtTest, SaysWhatTheSystemReports) {
  std::string out(4, '?');
  // No descriptor is negative.
  const absl::Status status = ReadAt(-1, 7, absl::MakeSpan(out)).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("reading at offset 7: Bad file descriptor"));
}

}  // namespace
}  // namespace moe::base::internal

namespace moe::base {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
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
}  // namespace moe::base
