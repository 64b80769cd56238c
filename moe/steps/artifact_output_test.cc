#include "moe/steps/artifact_output.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"

namespace moe::steps {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

OutputTarget FileAt(const std::string& path, bool overwrite) {
  return {"--out",
          path,
          overwrite,
          "token artifact",
          "tokens.safetensors",
          SafetensorsWith("artifact", "tokens")};
}

TEST(CheckOutputFileTest, TakesWhatCanBeWritten) {
  const base::testing::TempDirectory directory;
  MOE_EXPECT_OK(CheckOutputFile(FileAt(directory.Path("new"), false)));
  MOE_EXPECT_OK(CheckOutputFile(FileAt(directory.Path("a/b/new"), true)));
}

TEST(CheckOutputFileTest, RefusesADirectory) {
  const base::testing::TempDirectory directory;
  EXPECT_THAT(
      CheckOutputFile(FileAt(directory.path(), true)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("--out: expected the name of a file, found "),
                     HasSubstr("/tokens.safetensors"))));
}

TEST(CheckOutputFileTest, ReplacesItsOwnKindAlone) {
  const base::testing::TempDirectory directory;
  const std::string own = directory.Path("own");
  const std::string other = directory.Path("other");
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      own, {}, {{"artifact", "tokens"}}, false));
  MOE_ASSERT_OK(
      checkpoint::WriteSafetensorsFile(other, {}, {{"artifact", "x"}}, false));
  EXPECT_THAT(CheckOutputFile(FileAt(own, false)),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("pass --overwrite")));
  MOE_EXPECT_OK(CheckOutputFile(FileAt(own, true)));
  EXPECT_THAT(CheckOutputFile(FileAt(other, true)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is no token artifact")));
  EXPECT_THAT(
      CheckOutputFile(FileAt(directory.Write("text", "precious"), true)),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CheckOutputFileTest, ReplacesAnEmptyFileIfAsked) {
  const base::testing::TempDirectory directory;
  const std::string empty = directory.Write("empty", "");
  MOE_EXPECT_OK(CheckOutputFile(FileAt(empty, true)));
  EXPECT_THAT(CheckOutputFile(FileAt(empty, false)),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

}  // namespace

}  // namespace moe::steps
