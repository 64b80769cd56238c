#include "moe/base/random_access_file.h"

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

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
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
                       AllOf(HasSubstr(path), HasSubstr("wanted 5 bytes"),
                             HasSubstr("offset 4"), HasSubstr("found 2"))));
}

TEST(RandomAccessFileTest, RefusesWhatIsNotAFile) {
  const TempDirectory directory;
  EXPECT_THAT(RandomAccessFile::Open(directory.Path("absent")),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr(directory.Path("absent"))));
  EXPECT_THAT(RandomAccessFile::Open(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is a directory")));
  EXPECT_THAT(RandomAccessFile::Open("/dev/null"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not a regular file")));
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
  EXPECT_THAT(ReadFile(path, 9),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr(path), HasSubstr("10 bytes"))));
}

}  // namespace
}  // namespace moe
