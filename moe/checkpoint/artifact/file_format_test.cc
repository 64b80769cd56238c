#include "moe/checkpoint/artifact/file_format.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe {
namespace {

using ::moe::testing::IsOkAndHolds;
using ::moe::testing::TempDirectory;

// From a literal with zeros in it.
template <size_t kSize>
absl::string_view Bytes(const char (&literal)[kSize]) {
  return absl::string_view(literal, kSize - 1);
}

TEST(FileFormatTest, ArchivesOfEitherWriter) {
  // LibTorch's, with flags and no version; Python's, with a version; one with
  // neither, whose next byte tells.
  EXPECT_EQ(PtFormatOf(Bytes("PK\3\4\0\0\x08\x08\0")), PtFormat::kZip);
  EXPECT_EQ(PtFormatOf(Bytes("PK\3\4\x14\0\0\0\0")), PtFormat::kZip);
  EXPECT_EQ(PtFormatOf(Bytes("PK\3\4\0\0\0\0\0")), PtFormat::kZip);
  EXPECT_EQ(PtFormatOf("PK\3\4"), PtFormat::kZip);  // Cut short.
  EXPECT_EQ(PtFormatOf("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9"),
            PtFormat::kLegacyPickle);
}

TEST(FileFormatTest, ASafetensorsHeaderMayHaveTheLengthThatSpellsAnArchive) {
  // 67,324,752, which is under the format's limit.
  EXPECT_EQ(PtFormatOf(Bytes("PK\3\4\0\0\0\0{")), PtFormat::kNone);
  EXPECT_EQ(PtFormatOf(Bytes("PK\3\4\0\0\0\0{\"a\"")), PtFormat::kNone);
}

TEST(FileFormatTest, OthersAreNot) {
  EXPECT_EQ(PtFormatOf(""), PtFormat::kNone);
  EXPECT_EQ(PtFormatOf("PK"), PtFormat::kNone);
  EXPECT_EQ(PtFormatOf(Bytes("\x02\0\0\0\0\0\0\0{}")), PtFormat::kNone);
}

TEST(FileFormatTest, ReadsTheFilesStart) {
  const TempDirectory directory;
  const std::string safetensors = directory.Write(
      "a", std::string(Bytes("PK\3\4\0\0\0\0{\"a\": and so on")));
  const std::string pt = directory.Write("b", "PK\3\4");
  MOE_ASSERT_OK_AND_ASSIGN(const RandomAccessFile a,
                           RandomAccessFile::Open(safetensors));
  EXPECT_THAT(IsPtFile(a), IsOkAndHolds(false));
  MOE_ASSERT_OK_AND_ASSIGN(const RandomAccessFile b,
                           RandomAccessFile::Open(pt));
  EXPECT_THAT(IsPtFile(b), IsOkAndHolds(true));
}

}  // namespace
}  // namespace moe
