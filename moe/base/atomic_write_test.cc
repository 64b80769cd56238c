#include "moe/base/atomic_write.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/fault_injecting_file_system.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::FaultInjectingFileSystem;
using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Fault = FaultInjectingFileSystem::Fault;

// What the tests write: two files, one in pieces, and two in a folder.
absl::Status WriteSample(absl::string_view target, bool overwrite,
                         FileSystem& file_system) {
  AtomicDirectoryOptions options;
  options.overwrite = overwrite;
  options.file_system = &file_system;
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicDirectoryWriter> writer,
                       AtomicDirectoryWriter::Create(target, options));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                       writer->CreateFile("weights"));
  for (int i = 0; i < 3; ++i) {
    MOE_RETURN_IF_ERROR(file->Append(absl::StrCat("piece", i)));
  }
  MOE_RETURN_IF_ERROR(file->Sync());
  MOE_RETURN_IF_ERROR(file->Close());
  MOE_RETURN_IF_ERROR(writer->WriteFile("config", "new"));
  MOE_RETURN_IF_ERROR(writer->WriteFile("folder/one", "1"));
  MOE_RETURN_IF_ERROR(writer->WriteFile("folder/two", "2"));
  return writer->Commit();
}

// What an earlier writer made: one file.
void WriteOld(const TempDirectory& directory) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<AtomicDirectoryWriter> writer,
      AtomicDirectoryWriter::Create(directory.Path("out"), {}));
  MOE_ASSERT_OK(writer->WriteFile("config", "old"));
  MOE_ASSERT_OK(writer->Commit());
}

std::string Contents(absl::string_view path) {
  absl::StatusOr<std::string> contents = ReadFile(path, 1000);
  return contents.ok() ? *contents : contents.status().ToString();
}

bool IsCompleteSample(const TempDirectory& directory) {
  return Contents(directory.Path("out/weights")) == "piece0piece1piece2" &&
         Contents(directory.Path("out/config")) == "new" &&
         Contents(directory.Path("out/folder/one")) == "1" &&
         Contents(directory.Path("out/folder/two")) == "2";
}

bool IsOld(const TempDirectory& directory) {
  return Contents(directory.Path("out/config")) == "old" &&
         !PathExists(directory.Path("out/weights"));
}

int64_t NumOperations(bool overwrite) {
  const TempDirectory directory;
  if (overwrite) WriteOld(directory);
  FaultInjectingFileSystem file_system;
  MOE_EXPECT_OK(WriteSample(directory.Path("out"), overwrite, file_system));
  EXPECT_TRUE(IsCompleteSample(directory));
  return file_system.num_operations();
}

// Ends a child process at the n-th operation and returns whether it was killed.
bool KilledWhileWriting(const TempDirectory& directory, bool overwrite,
                        Fault fault, bool exchange, int64_t n) {
  const pid_t child = ::fork();
  if (child == 0) {
    FaultInjectingFileSystem file_system(fault, n);
    if (!exchange) file_system.DisableExchange();
    const absl::Status status =
        WriteSample(directory.Path("out"), overwrite, file_system);
    ::_exit(status.ok() ? 0 : 1);
  }
  int wait_status = 0;
  EXPECT_EQ(::waitpid(child, &wait_status, 0), child);
  if (WIFSIGNALED(wait_status)) {
    EXPECT_EQ(WTERMSIG(wait_status), SIGKILL);
    return true;
  }
  EXPECT_EQ(wait_status, 0);
  return false;
}

TEST(AtomicDirectoryWriterTest, NothingIsThereBeforeCommitAndAllAfter) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<AtomicDirectoryWriter> writer,
      AtomicDirectoryWriter::Create(directory.Path("sub/out/"), {}));
  MOE_ASSERT_OK(writer->WriteFile("config", "new"));
  EXPECT_FALSE(PathExists(directory.Path("sub/out")));
  MOE_ASSERT_OK(writer->Commit());
  EXPECT_EQ(Contents(directory.Path("sub/out/config")), "new");
  EXPECT_THAT(ListDirectory(directory.Path("sub")),
              IsOkAndHolds(ElementsAre("out")));
}

TEST(AtomicDirectoryWriterTest, WithoutCommitNothingStays) {
  const TempDirectory directory;
  {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::unique_ptr<AtomicDirectoryWriter> writer,
        AtomicDirectoryWriter::Create(directory.Path("out"), {}));
    MOE_ASSERT_OK(writer->WriteFile("config", "new"));
  }
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(AtomicDirectoryWriterTest, RefusesATargetThatExists) {
  const TempDirectory directory;
  directory.Write("out/config", "old");
  EXPECT_THAT(
      AtomicDirectoryWriter::Create(directory.Path("out"), {}),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--overwrite")));
  EXPECT_TRUE(IsOld(directory));
}

TEST(AtomicDirectoryWriterTest, RefusesATargetThatAppearsMeanwhile) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<AtomicDirectoryWriter> writer,
      AtomicDirectoryWriter::Create(directory.Path("out"), {}));
  directory.Write("out/config", "old");
  EXPECT_THAT(writer->Commit(), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_TRUE(IsOld(directory));
}

TEST(AtomicDirectoryWriterTest, OverwriteReplacesItsOwnKindOnly) {
  const TempDirectory directory;
  AtomicDirectoryOptions options;
  options.overwrite = true;
  directory.Write("foreign/config", "old");
  EXPECT_THAT(AtomicDirectoryWriter::Create(directory.Path("foreign"), options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no record of one")));
  EXPECT_EQ(Contents(directory.Path("foreign/config")), "old");
  WriteOld(directory);
  options.kind = "report";
  EXPECT_THAT(AtomicDirectoryWriter::Create(directory.Path("out"), options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("the record of something else")));
  options.kind = "result";
  directory.Write("out/optimizer.pt", "mine");
  EXPECT_THAT(AtomicDirectoryWriter::Create(directory.Path("out"), options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("optimizer.pt")));
  EXPECT_TRUE(IsOld(directory));
}

TEST(AtomicDirectoryWriterTest, AnEmptyDirectoryIsReplacedUnasked) {
  const TempDirectory directory;
  std::filesystem::create_directory(directory.Path("out"));
  MOE_ASSERT_OK(WriteSample(directory.Path("out"), false, PosixFileSystem()));
  EXPECT_TRUE(IsCompleteSample(directory));
}

TEST(AtomicDirectoryWriterTest, KeepsAFileThatComesIntoTheOldOneMeanwhile) {
  const TempDirectory directory;
  WriteOld(directory);
  AtomicDirectoryOptions options;
  options.overwrite = true;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<AtomicDirectoryWriter> writer,
      AtomicDirectoryWriter::Create(directory.Path("out"), options));
  directory.Write("out/notes.txt", "mine");
  EXPECT_THAT(writer->Commit(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         HasSubstr("notes.txt")));
  EXPECT_TRUE(IsOld(directory));
  EXPECT_EQ(Contents(directory.Path("out/notes.txt")), "mine");
}

TEST(AtomicDirectoryWriterTest, FollowsALinkOnce) {
  const TempDirectory directory;
  std::filesystem::create_symlink("disk/out", directory.Path("link"));
  MOE_ASSERT_OK(WriteSample(directory.Path("link/"), false, PosixFileSystem()));
  EXPECT_EQ(Contents(directory.Path("disk/out/config")), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(directory.Path("link")));
  MOE_ASSERT_OK(WriteSample(directory.Path("link"), true, PosixFileSystem()));
  EXPECT_TRUE(std::filesystem::is_symlink(directory.Path("link")));
  std::filesystem::create_symlink("link", directory.Path("chain"));
  EXPECT_THAT(WriteSample(directory.Path("chain"), true, PosixFileSystem()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is a symbolic link too")));
}

TEST(AtomicDirectoryWriterTest, AFailureLeavesNoNewDirectoriesAbove) {
  const TempDirectory directory;
  {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::unique_ptr<AtomicDirectoryWriter> writer,
        AtomicDirectoryWriter::Create(directory.Path("a/b/out"), {}));
  }
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(AtomicDirectoryWriterTest, OverwriteWorksWithoutAnExchange) {
  const TempDirectory directory;
  WriteOld(directory);
  FaultInjectingFileSystem file_system;
  file_system.DisableExchange();
  MOE_ASSERT_OK(WriteSample(directory.Path("out"), true, file_system));
  EXPECT_TRUE(IsCompleteSample(directory));
  EXPECT_THAT(directory.List(), ElementsAre("out"));
}

TEST(AtomicDirectoryWriterTest, RefusesADeviceThatIsTooFull) {
  const TempDirectory directory;
  FaultInjectingFileSystem file_system;
  file_system.SetFreeBytes(uint64_t{3} << 20);
  AtomicDirectoryOptions options;
  options.required_bytes = uint64_t{5} << 30;
  options.file_system = &file_system;
  EXPECT_THAT(AtomicDirectoryWriter::Create(directory.Path("out"), options),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("needs 5.00 GiB"),
                             HasSubstr("has 3.00 MiB free"))));
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(AtomicDirectoryWriterTest, RefusesNamesThatLeaveTheDirectory) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<AtomicDirectoryWriter> writer,
      AtomicDirectoryWriter::Create(directory.Path("out"), {}));
  for (const char* name :
       {"", ".", "..", "../x", "/x", "a/", "a/..", "./a", "a//b", "a/b/c"}) {
    EXPECT_THAT(writer->WriteFile(name, "x"),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
  for (const char* target : {"", ".", "..", "/", "a/.."}) {
    EXPECT_THAT(AtomicDirectoryWriter::Create(target, {}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << target;
  }
}

TEST(AtomicDirectoryWriterTest, RemovesWhatADeadWriterLeftAndNotALiveOnes) {
  const TempDirectory directory;
  ASSERT_TRUE(KilledWhileWriting(directory, false, Fault::kKillAfter,
                                 /*exchange=*/true, 5));
  ASSERT_EQ(directory.List().size(), 1u);
  const std::string dead = directory.Path(directory.List()[0]);
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<AtomicDirectoryWriter> live,
      AtomicDirectoryWriter::Create(directory.Path("out"), {}));
  EXPECT_FALSE(PathExists(dead));
  MOE_ASSERT_OK(live->WriteFile("config", "live"));
  {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::unique_ptr<AtomicDirectoryWriter> other,
        AtomicDirectoryWriter::Create(directory.Path("out"), {}));
  }
  MOE_ASSERT_OK(live->Commit());
  EXPECT_EQ(Contents(directory.Path("out/config")), "live");
}

// Overwriting or not, crossed with the kind of fault.
class AtomicDirectoryFaultTest
    : public ::testing::TestWithParam<std::tuple<bool, Fault>> {};

TEST_P(AtomicDirectoryFaultTest, AFailedOperationLeavesTheOldOrTheNew) {
  const auto [overwrite, fault] = GetParam();
  const int64_t num_operations = NumOperations(overwrite);
  ASSERT_GE(num_operations, 12);
  for (int64_t n = 0; n < num_operations; ++n) {
    const TempDirectory directory;
    if (overwrite) WriteOld(directory);
    FaultInjectingFileSystem file_system(fault, n);
    const absl::Status status =
        WriteSample(directory.Path("out"), overwrite, file_system);
    const bool complete = IsCompleteSample(directory);
    const bool untouched =
        overwrite ? IsOld(directory) : !PathExists(directory.Path("out"));
    EXPECT_TRUE(complete || untouched) << n;
    EXPECT_TRUE(complete || !status.ok()) << n;
    if (fault == Fault::kFailOnce && !complete) {
      EXPECT_EQ(directory.List().size(), overwrite ? 1u : 0u) << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Faults, AtomicDirectoryFaultTest,
    ::testing::Combine(::testing::Bool(),
                       ::testing::Values(Fault::kFailOnce,
                                         Fault::kFailOnward)));

class AtomicDirectoryKillTest
    : public ::testing::TestWithParam<std::tuple<bool, Fault, bool>> {};

bool OldStandsBeside(const TempDirectory& directory) {
  for (const std::string& name : directory.List()) {
    if (absl::StrContains(name, ".replaced-") &&
        Contents(directory.Path(name + "/config")) == "old") {
      return true;
    }
  }
  return false;
}

TEST_P(AtomicDirectoryKillTest, AKilledProcessLeavesTheOldOrTheNew) {
  const auto [overwrite, fault, exchange] = GetParam();
  int num_kills = 0;
  for (int64_t n = 0;; ++n) {
    const TempDirectory directory;
    if (overwrite) WriteOld(directory);
    if (!KilledWhileWriting(directory, overwrite, fault, exchange, n)) break;
    ++num_kills;
    // Without an exchange, the target is absent for one moment; what it was
    // then stands beside it.
    const bool absent = !PathExists(directory.Path("out"));
    EXPECT_TRUE(IsCompleteSample(directory) ||
                (overwrite && IsOld(directory)) || (!overwrite && absent) ||
                (!exchange && absent && OldStandsBeside(directory)))
        << n;
    // The next writer of the target succeeds and clears what was left.
    MOE_EXPECT_OK(WriteSample(directory.Path("out"), true, PosixFileSystem()));
    EXPECT_TRUE(IsCompleteSample(directory)) << n;
    for (const std::string& name : directory.List()) {
      EXPECT_FALSE(absl::StrContains(name, ".partial-")) << n << ": " << name;
    }
  }
  EXPECT_GE(num_kills, 12);
}

INSTANTIATE_TEST_SUITE_P(
    Kills, AtomicDirectoryKillTest,
    ::testing::Combine(::testing::Bool(),
                       ::testing::Values(Fault::kKillBefore, Fault::kKillAfter),
                       ::testing::Bool()));

TEST(WriteFileAtomicallyTest, WritesReplacesAndRefuses) {
  const TempDirectory directory;
  const auto write = [](WritableFile& file) { return file.Append("new"); };
  const std::string path = directory.Path("sub/f");
  MOE_ASSERT_OK(WriteFileAtomically(path, /*overwrite=*/false, write));
  EXPECT_EQ(Contents(path), "new");
  EXPECT_THAT(WriteFileAtomically(path, /*overwrite=*/false, write),
              StatusIs(absl::StatusCode::kAlreadyExists));
  directory.Write("sub/f", "old");
  MOE_ASSERT_OK(WriteFileAtomically(path, /*overwrite=*/true, write));
  EXPECT_EQ(Contents(path), "new");
  EXPECT_THAT(ListDirectory(directory.Path("sub")),
              IsOkAndHolds(ElementsAre("f")));
}

TEST(WriteFileAtomicallyTest, KeepsWhatIsNoFile) {
  const TempDirectory directory;
  const std::string path = directory.Path("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(WriteFileAtomically(
                  path, /*overwrite=*/true,
                  [](WritableFile& file) { return file.Append("new"); }),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("found a device, pipe or socket")));
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(AtomicDirectoryWriterTest, OlderReplacedDirectoriesAreNotInTheWay) {
  const TempDirectory directory;
  WriteOld(directory);
  const std::string stale =
      absl::StrCat(".out.replaced-", ::getpid(), "-0/config");
  directory.Write(stale, "older");
  FaultInjectingFileSystem file_system;
  file_system.DisableExchange();
  MOE_ASSERT_OK(WriteSample(directory.Path("out"), true, file_system));
  EXPECT_TRUE(IsCompleteSample(directory));
  EXPECT_EQ(Contents(directory.Path(stale)), "older");
}

TEST(AtomicDirectoryWriterTest, RefusesAMountPointBeforeItWrites) {
  AtomicDirectoryOptions options;
  options.overwrite = true;
  EXPECT_THAT(
      AtomicDirectoryWriter::Create("/proc", options),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mount point")));
}

// Leaves a partial file behind, as a killed process does.
void KillWhileWriting(const std::string& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    WriteFileAtomically(path, true, [](WritableFile&) {
      ::kill(::getpid(), SIGKILL);
      return absl::OkStatus();
    }).IgnoreError();
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST(WriteFileAtomicallyTest, RemovesWhatAKilledWriterLeftAndNotALiveOnes) {
  const TempDirectory directory;
  KillWhileWriting(directory.Path("f"));
  ASSERT_EQ(directory.List().size(), 1u);
  const auto write_inner = [&] {
    return WriteFileAtomically(
        directory.Path("f"), true,
        [](WritableFile& file) { return file.Append("first"); });
  };
  MOE_ASSERT_OK(WriteFileAtomically(directory.Path("f"), true,
                                    [&](WritableFile& file) -> absl::Status {
                                      MOE_RETURN_IF_ERROR(write_inner());
                                      return file.Append("second");
                                    }));
  EXPECT_EQ(Contents(directory.Path("f")), "second");
  EXPECT_THAT(directory.List(), ElementsAre("f"));
}

TEST(WriteFileAtomicallyTest, RefusesAFileThatAppearsMeanwhile) {
  const TempDirectory directory;
  EXPECT_THAT(WriteFileAtomically(directory.Path("f"), /*overwrite=*/false,
                                  [&](WritableFile& file) {
                                    directory.Write("f", "theirs");
                                    return file.Append("ours");
                                  }),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Contents(directory.Path("f")), "theirs");
}

TEST(WriteFileAtomicallyTest, EveryFaultLeavesTheOldOrTheNew) {
  const auto write = [](WritableFile& file) { return file.Append("new"); };
  FaultInjectingFileSystem counting;
  const TempDirectory counted;
  counted.Write("f", "old");
  MOE_ASSERT_OK(WriteFileAtomically(counted.Path("f"), true, write, counting));
  for (int64_t n = 0; n < counting.num_operations(); ++n) {
    const TempDirectory directory;
    directory.Write("f", "old");
    FaultInjectingFileSystem file_system(Fault::kFailOnce, n);
    const absl::Status status =
        WriteFileAtomically(directory.Path("f"), true, write, file_system);
    const std::string contents = Contents(directory.Path("f"));
    EXPECT_TRUE(contents == "new" || (contents == "old" && !status.ok())) << n;
    // Where not even clearing up works, the next writer does it.
    if (status.ok()) {
      MOE_EXPECT_OK(WriteFileAtomically(directory.Path("f"), true, write));
    }
    EXPECT_THAT(directory.List(), ElementsAre("f")) << n;
  }
}

}  // namespace
}  // namespace moe::base
