#include "moe/base/file_system.h"

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;

TEST(PosixFileSystemTest, AppendsOfEverySizeComeOutInOrder) {
  const TempDirectory directory;
  const std::string path = directory.Path("f");
  std::string want;
  {
    MOE_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<WritableFile> file,
                             PosixFileSystem().CreateFile(path));
    // Around the size at which the file's buffer gives way to direct writes.
    constexpr size_t kBuffer = size_t{256} << 10;
    char next = 'a';
    for (const size_t size :
         {size_t{1}, size_t{0}, kBuffer - 1, kBuffer, kBuffer + 1, size_t{3}}) {
      const std::string piece(size, next++);
      MOE_ASSERT_OK(file->Append(piece));
      want += piece;
    }
    MOE_ASSERT_OK(file->Sync());
    MOE_ASSERT_OK(file->Append("end"));
    want += "end";
    MOE_ASSERT_OK(file->Close());
  }
  EXPECT_THAT(ReadFile(path, want.size()), IsOkAndHolds(want));
}

TEST(PosixFileSystemTest, CreatesOnlyWhatDoesNotExist) {
  const TempDirectory directory;
  const std::string path = directory.Write("f", "kept");
  EXPECT_THAT(PosixFileSystem().CreateFile(path),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path)));
  EXPECT_THAT(PosixFileSystem().CreateDirectory(directory.path()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(PosixFileSystem().CreateFile(directory.Path("no/f")),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadFile(path, 10), IsOkAndHolds(std::string("kept")));
}

TEST(PosixFileSystemTest, MovesAndExchangesDirectories) {
  const TempDirectory directory;
  directory.Write("a/f", "A");
  directory.Write("b/f", "B");
  FileSystem& file_system = PosixFileSystem();
  EXPECT_THAT(
      file_system.MoveToNewName(directory.Path("a"), directory.Path("b")),
      StatusIs(absl::StatusCode::kAlreadyExists));
  const absl::Status exchanged =
      file_system.ExchangeDirectories(directory.Path("a"), directory.Path("b"));
  if (absl::IsUnimplemented(exchanged)) GTEST_SKIP() << exchanged;
  MOE_ASSERT_OK(exchanged);
  EXPECT_THAT(ReadFile(directory.Path("a/f"), 1),
              IsOkAndHolds(std::string("B")));
  MOE_ASSERT_OK(
      file_system.MoveToNewName(directory.Path("a"), directory.Path("c")));
  EXPECT_THAT(directory.List(), ElementsAre("b", "c"));
}

TEST(PosixFileSystemTest, RemovesTreesButFollowsNoLink) {
  const TempDirectory directory;
  directory.Write("kept/f", "x");
  directory.Write("gone/sub/f", "x");
  std::filesystem::create_directory_symlink(directory.Path("kept"),
                                            directory.Path("gone/link"));
  MOE_ASSERT_OK(PosixFileSystem().RemoveAll(directory.Path("gone")));
  EXPECT_THAT(directory.List(), ElementsAre("kept"));
  EXPECT_TRUE(PathExists(directory.Path("kept/f")));
}

TEST(PosixFileSystemTest, ALockIsHeldUntilItsOwnerIsGone) {
  const TempDirectory directory;
  {
    MOE_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<PathLock> lock,
                             PosixFileSystem().TryLock(directory.path()));
    ASSERT_THAT(lock, NotNull());
    EXPECT_THAT(PosixFileSystem().TryLock(directory.path()),
                IsOkAndHolds(IsNull()));
  }
  EXPECT_THAT(PosixFileSystem().TryLock(directory.path()),
              IsOkAndHolds(NotNull()));
}

TEST(PosixFileSystemTest, AFileIsLockedWhileItIsWritten) {
  const TempDirectory directory;
  const std::string path = directory.Path("f");
  {
    MOE_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<WritableFile> file,
                             PosixFileSystem().CreateFile(path));
    EXPECT_THAT(PosixFileSystem().TryLock(path), IsOkAndHolds(IsNull()));
  }
  EXPECT_THAT(PosixFileSystem().TryLock(path), IsOkAndHolds(NotNull()));
}

TEST(PosixFileSystemTest, FindsMountPoints) {
  const TempDirectory directory;
  EXPECT_FALSE(IsMountPoint(directory.path()));
  EXPECT_FALSE(IsMountPoint(directory.Path("absent")));
  EXPECT_TRUE(IsMountPoint("/proc"));
}

TEST(PosixFileSystemTest, SyncsAndTellsFreeSpace) {
  const TempDirectory directory;
  MOE_EXPECT_OK(PosixFileSystem().SyncDirectory(directory.path()));
  EXPECT_THAT(PosixFileSystem().FreeBytes(directory.path()),
              IsOkAndHolds(Gt(0u)));
  EXPECT_THAT(PosixFileSystem().FreeBytes(directory.Path("absent")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(SplitPathTest, TakesThePathApart) {
  const auto split = [](absl::string_view path) {
    const PathParts parts = SplitPath(path);
    return std::pair(parts.parent, parts.name);
  };
  EXPECT_EQ(split("a/b"), std::pair(std::string("a"), std::string("b")));
  EXPECT_EQ(split("a/b//"), std::pair(std::string("a"), std::string("b")));
  EXPECT_EQ(split("b"), std::pair(std::string("."), std::string("b")));
  EXPECT_EQ(split("/b"), std::pair(std::string("/"), std::string("b")));
  EXPECT_EQ(split("/"), std::pair(std::string("/"), std::string("")));
}

TEST(ListDirectoryTest, IsSorted) {
  const TempDirectory directory;
  directory.Write("b", "");
  directory.Write("a/x", "");
  EXPECT_THAT(ListDirectory(directory.path()),
              IsOkAndHolds(ElementsAre("a", "b")));
  EXPECT_THAT(ListDirectory(directory.Path("absent")),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace

namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ErrnoStatusTest, SaysWhichLimitAndWhatItIs) {
  EXPECT_THAT(
      ErrnoStatus(EMFILE, "opening f"),
      StatusIs(absl::StatusCode::kResourceExhausted,
               ::testing::ContainsRegex("opening f.*ulimit -n, now [0-9]+")));
  EXPECT_THAT(ErrnoStatus(EFBIG, "writing f").message(),
              HasSubstr("ulimit -f, now"));
  EXPECT_THAT(ErrnoStatus(ENOSPC, "writing f").message(),
              HasSubstr("free some space"));
}

TEST(ErrnoStatusTest, AddsNothingToOtherErrors) {
  EXPECT_THAT(ErrnoStatus(ENOENT, "opening f"),
              StatusIs(absl::StatusCode::kNotFound, Not(HasSubstr(";"))));
}

}  // namespace
}  // namespace moe::base
