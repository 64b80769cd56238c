#include "moe/base/staging_directory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/fault_injecting_file_system.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::FaultInjectingFileSystem;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kMark[] =
    "llama_moe: what a command is writing, to be removed\n";

TEST(StagingDirectoryTest, IsGoneWithWhatItHoldsAndWithTheParentsItMade) {
  const TempDirectory directory;
  {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::unique_ptr<StagingDirectory> staging,
        StagingDirectory::Create(directory.Path("a/b/out"), PosixFileSystem()));
    EXPECT_EQ(SplitPath(staging->content()).name, "out");
    directory.Write(absl::StrCat("a/b/.out.partial-", ::getpid(), "-0/out/f"),
                    "x");
    EXPECT_TRUE(PathExists(staging->content()));
  }
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(StagingDirectoryTest, RemovesWhatIsExactlyOursAndNothingElse) {
  const TempDirectory directory;
  // Ours: the name of a process, and the mark or nothing in it.
  directory.Write(".out.partial-1-0/.llama_moe.partial", kMark);
  directory.Write(".out.partial-1-0/out/weights", "half");
  std::filesystem::create_directory(directory.Path(".out.partial-1-1"));
  // Somebody else's.
  directory.Write(".out.partial-1-2/notes", "mine");
  directory.Write(".out.partial-1-3/.llama_moe.partial", "another mark");
  directory.Write(".out.partial-1-4", "a file");
  directory.Write(".out.partial-backup/.llama_moe.partial", kMark);
  directory.Write(".out.partial-01-0/.llama_moe.partial", kMark);
  directory.Write(".out.partial-1-0-0/.llama_moe.partial", kMark);
  directory.Write(".out.partial-1/.llama_moe.partial", kMark);
  directory.Write(".outer.partial-1-0/.llama_moe.partial", kMark);
  std::filesystem::create_directory_symlink(".outer.partial-1-0",
                                            directory.Path(".out.partial-1-5"));
  MOE_EXPECT_OK(
      StagingDirectory::Create(directory.Path("out"), PosixFileSystem()));
  EXPECT_THAT(
      directory.List(),
      ElementsAre(".out.partial-01-0", ".out.partial-1", ".out.partial-1-0-0",
                  ".out.partial-1-2", ".out.partial-1-3", ".out.partial-1-4",
                  ".out.partial-1-5", ".out.partial-backup",
                  ".outer.partial-1-0"));
}

// Removes the first file of what it has to remove, as if killed after it.
class StopsRemoving : public FaultInjectingFileSystem {
 public:
  absl::Status RemoveAll(absl::string_view path) override {
    if (!std::filesystem::is_directory(std::string(path))) {
      return FaultInjectingFileSystem::RemoveAll(path);
    }
    const absl::StatusOr<std::vector<std::string>> names = ListDirectory(path);
    if (!names.ok() || names->empty()) return names.status();
    MOE_RETURN_IF_ERROR(RemoveAll(absl::StrCat(
        path, "/", *std::min_element(names->begin(), names->end()))));
    return absl::AbortedError("killed");
  }
};

TEST(StagingDirectoryTest, WhatIsHalfRemovedIsRemovedByTheNext) {
  const TempDirectory directory;
  StopsRemoving file_system;
  {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::unique_ptr<StagingDirectory> staging,
        StagingDirectory::Create(directory.Path("out"), file_system));
    std::filesystem::create_directory(staging->content());
    std::ofstream(staging->content() + "/1") << "half";
    std::ofstream(staging->content() + "/2") << "half";
  }
  EXPECT_THAT(directory.List(), SizeIs(1));
  MOE_EXPECT_OK(
      StagingDirectory::Create(directory.Path("out"), PosixFileSystem()));
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(StagingDirectoryTest, RefusesTargetsThatHaveNoName) {
  for (const char* target : {"", ".", "..", "/", "a/.."}) {
    EXPECT_THAT(StagingDirectory::Create(target, PosixFileSystem()),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << target;
  }
}

TEST(StagingDirectoryTest, AllAreRemovedWhenAProcessIsToldToStop) {
  const TempDirectory directory;
  EXPECT_EXIT(
      {
        const auto one = StagingDirectory::Create(directory.Path("new/one"),
                                                  PosixFileSystem());
        const auto two =
            StagingDirectory::Create(directory.Path("two"), PosixFileSystem());
        const bool made = one.ok() && two.ok() && directory.List().size() == 2;
        ShutMutationGateForGood();
        RemoveAllStaging();
        ::_exit(made && directory.List().empty() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace moe::base
