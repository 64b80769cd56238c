#include "moe/base/directory_manifest.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::HasSubstr;

constexpr char kKind[] = "checkpoint";

void WriteResult(const TempDirectory& directory) {
  directory.Write("out/weights", "12345");
  directory.Write("out/sub/factors", "1");
  directory.Write("out/LICENSE \n2", "free");
  MOE_ASSERT_OK(WriteManifest(PosixFileSystem(), directory.Path("out"), kKind));
}

TEST(DirectoryManifestTest, KnowsWhatItRecorded) {
  const TempDirectory directory;
  WriteResult(directory);
  MOE_EXPECT_OK(CheckMadeByUs(directory.Path("out"), kKind));
  // Recorded again, as it is then.
  directory.Write("out/more", "");
  MOE_ASSERT_OK(WriteManifest(PosixFileSystem(), directory.Path("out"), kKind));
  MOE_EXPECT_OK(CheckMadeByUs(directory.Path("out"), kKind));
}

TEST(DirectoryManifestTest, RefusesEverythingElse) {
  struct Case {
    std::function<void(const TempDirectory&)> change;
    const char* message;
  };
  const auto write = [](const char* name, const char* text) {
    return [=](const TempDirectory& d) { d.Write(name, text); };
  };
  const auto remove = [](const char* name) {
    return
        [=](const TempDirectory& d) { std::filesystem::remove(d.Path(name)); };
  };
  const auto touch = [](const TempDirectory& d) {
    const auto later =
        std::filesystem::last_write_time(d.Path("out/.llama_moe")) +
        std::chrono::seconds(1);
    std::filesystem::last_write_time(d.Path("out/sub/factors"), later);
  };
  for (const Case& c : {
           Case{write("out/optimizer.pt", ""), "also optimizer.pt"},
           {write("out/sub/notes", ""), "also sub/notes"},
           {[](const TempDirectory& d) {
              std::filesystem::create_directory(d.Path("out/empty"));
            },
            "also empty"},
           {write("out/weights", "123456"), "another size of weights"},
           {touch, "sub/factors was changed"},
           {remove("out/.llama_moe"), "no record of one"},
           {write("out/.llama_moe", "llama_moe report\n"), "something else"},
           {write("out/.llama_moe", "my notes"), "something else"},
       }) {
    const TempDirectory directory;
    WriteResult(directory);
    c.change(directory);
    EXPECT_THAT(
        CheckMadeByUs(directory.Path("out"), kKind),
        StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(c.message)));
  }
}

TEST(DirectoryManifestTest, AFileThatIsMissingIsNoLoss) {
  const TempDirectory directory;
  WriteResult(directory);
  std::filesystem::remove(directory.Path("out/weights"));
  MOE_EXPECT_OK(CheckMadeByUs(directory.Path("out"), kKind));
}

TEST(DirectoryManifestTest, ALinkInPlaceOfAFileIsForeign) {
  const TempDirectory directory;
  WriteResult(directory);
  std::filesystem::rename(directory.Path("out/weights"), directory.Path("w"));
  std::filesystem::create_symlink("../w", directory.Path("out/weights"));
  EXPECT_THAT(CheckMadeByUs(directory.Path("out"), kKind),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another size of weights")));
}

TEST(DirectoryManifestTest, AnEmptyDirectoryMayBeReplaced) {
  const TempDirectory directory;
  MOE_EXPECT_OK(CheckReplaceable(directory.path(), kKind));
  directory.Write("f", "");
  EXPECT_THAT(CheckReplaceable(directory.path(), kKind),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace moe::base
