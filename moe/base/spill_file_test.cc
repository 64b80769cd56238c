#include "moe/base/spill_file.h"

#include <stdlib.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SpillFileTest, GivesBackWhatWasWrittenAndLeavesNothing) {
  const testing::TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(SpillFile file,
                           SpillFile::Create(directory.path(), 16));
  EXPECT_THAT(directory.List(), IsEmpty());
  MOE_ASSERT_OK(file.Write(8, std::string("second!!")));
  MOE_ASSERT_OK(file.Write(0, std::string("first, ")));
  std::string bytes(13, '?');
  MOE_ASSERT_OK(file.Read(1, absl::MakeSpan(bytes)));
  EXPECT_EQ(bytes, std::string("irst, \0second", 13));
  SpillFile moved = std::move(file);
  MOE_ASSERT_OK(moved.Read(0, absl::MakeSpan(bytes)));
  EXPECT_EQ(bytes.substr(0, 5), "first");
}

TEST(SpillFileTest, ReadingPastTheEndIsDataLoss) {
  const testing::TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(SpillFile file,
                           SpillFile::Create(directory.path(), 16));
  std::string bytes(10, '?');
  EXPECT_THAT(file.Read(8, absl::MakeSpan(bytes)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("expected 10 bytes at offset 8, found 8")));
}

TEST(SpillFileTest, SaysWhereAndWhatToDo) {
  EXPECT_THAT(SpillFile::Create("/nowhere/at/all", 16).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("directory /nowhere/at/all")));
  const testing::TempDirectory directory;
  // More than any disk: 2^62 bytes.
  const absl::Status full =
      SpillFile::Create(directory.path(), uint64_t{1} << 62).status();
  EXPECT_THAT(
      full, StatusIs(absl::StatusCode::kResourceExhausted,
                     AllOf(HasSubstr(directory.path()), HasSubstr("TMPDIR"))));
}

TEST(SpillFileTest, SaysWhichLimitOfTheProcessIsInTheWay) {
  const testing::TempDirectory directory;
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  absl::StatusOr<SpillFile> file = SpillFile::Create(directory.path(), 1 << 20);
  // Where the file system sets nothing aside, writing finds it.
  const absl::Status status =
      file.ok() ? file->Write(1 << 19, std::string("x")) : file.status();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(
      status,
      StatusIs(absl::StatusCode::kResourceExhausted,
               AllOf(HasSubstr(directory.path()),
                     HasSubstr("allow the process larger files (ulimit -f, "
                               "now 4), set TMPDIR"))));
}

TEST(SpillDirectoryTest, IsTheUsersChoice) {
  ASSERT_EQ(setenv("TMPDIR", "/some/disk", 1), 0);
  EXPECT_EQ(SpillDirectory(), "/some/disk");
  ASSERT_EQ(unsetenv("TMPDIR"), 0);
  EXPECT_EQ(SpillDirectory(), "/var/tmp");
}

}  // namespace
}  // namespace moe::base
