#include "moe/checkpoint/artifact/pt_bridge.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/testing/sample_pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::checkpoint::testing::SamplePtValue;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(PtBridgeTest, ReadsWhatItWrites) {
  const TempDirectory directory;
  const std::string path = directory.Path("sample.pt");
  MOE_ASSERT_OK(WritePtFile(SamplePtValue(), path, false));
  EXPECT_THAT(ReadPtFile(path), IsOkAndHolds(SamplePtValue()));
}

TEST(PtBridgeTest, WritesTheSameBytesAgain) {
  const TempDirectory directory;
  MOE_ASSERT_OK(WritePtFile(SamplePtValue(), directory.Path("a.pt"), false));
  MOE_ASSERT_OK_AND_ASSIGN(const PtValue read,
                           ReadPtFile(directory.Path("a.pt")));
  MOE_ASSERT_OK(WritePtFile(read, directory.Path("b.pt"), false));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string a,
                           base::ReadFile(directory.Path("a.pt"), 1 << 20));
  EXPECT_THAT(base::ReadFile(directory.Path("b.pt"), 1 << 20), IsOkAndHolds(a));
  // Functions of torch.jit are what torch.load does not allow.
  EXPECT_EQ(a.find("torch.jit"), std::string::npos);
}

TEST(PtBridgeTest, RefusesToOverwriteAndOddTypes) {
  const TempDirectory directory;
  const std::string path = directory.Write("a.pt", "mine");
  EXPECT_THAT(WritePtFile(SamplePtValue(), path, false),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path)));
  EXPECT_THAT(base::ReadFile(path, 100), IsOkAndHolds(std::string("mine")));
  MOE_EXPECT_OK(WritePtFile(SamplePtValue(), path, true));
  MOE_EXPECT_OK(ReadPtFile(path));
  const PtValue odd = {HostTensor{Dtype::kU16, {1}, "ab"}};
  EXPECT_THAT(WritePtFile(odd, directory.Path("odd.pt"), false),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("odd.pt"), HasSubstr("U16"))));
  EXPECT_THAT(directory.List(), ::testing::ElementsAre("a.pt"));
}

struct BadFile {
  std::string name;
  std::string contents;
  absl::StatusCode code;
  std::string message;
};

TEST(PtBridgeTest, RefusesOtherFiles) {
  const TempDirectory directory;
  const std::vector<BadFile> cases = {
      {"empty.pt", "", absl::StatusCode::kDataLoss, "truncated"},
      {"short.pt", "PK", absl::StatusCode::kDataLoss, "found 2 bytes"},
      {"text.pt", "some text", absl::StatusCode::kInvalidArgument,
       "expected a .pt file"},
      {"legacy.pt", "\x80\x02\x8a\x0al\xfc\x9c",
       absl::StatusCode::kUnimplemented, "before PyTorch 1.6; write it again"},
      {"cut.pt", "PK\3\4 and no more", absl::StatusCode::kDataLoss, "cut.pt"},
  };
  for (const BadFile& bad : cases) {
    const std::string path = directory.Write(bad.name, bad.contents);
    EXPECT_THAT(
        ReadPtFile(path),
        StatusIs(bad.code, AllOf(HasSubstr(path), HasSubstr(bad.message))));
  }
  EXPECT_THAT(ReadPtFile(directory.Path("none.pt")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.pt")));
  EXPECT_THAT(ReadPtFile(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// Puts `bytes` at `offset` of every entry of the archive's directory.
std::string PatchDirectory(std::string archive, size_t offset,
                           absl::string_view bytes) {
  for (size_t entry = archive.find("PK\1\2"); entry != std::string::npos;
       entry = archive.find("PK\1\2", entry + 1)) {
    archive.replace(entry + offset, bytes.size(), bytes.data(), bytes.size());
  }
  return archive;
}

// 255 elements, each of them the first, of a storage of six.
TEST(PtBridgeTest, RefusesATensorThatIsLargerThanItsStorage) {
  const TempDirectory directory;
  PtDict dict;
  dict.Add("w", {HostTensor{Dtype::kU8, {6}, "abcdef"}});
  MOE_ASSERT_OK(WritePtFile({dict}, directory.Path("a.pt"), false));
  MOE_ASSERT_OK_AND_ASSIGN(std::string archive,
                           base::ReadFile(directory.Path("a.pt"), 1 << 20));
  // (size), (stride), as LibTorch writes it.
  const std::string view = "(K\x06t(K\x01t";
  const size_t found = archive.find(view);
  ASSERT_NE(found, std::string::npos) << archive;
  archive.replace(found, view.size(), std::string("(K\xfft(K\0t", 8));
  const std::string path = directory.Write("expanded.pt", archive);
  EXPECT_THAT(
      ReadPtFile(path),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr(path + ": [\"w\"]: expected a tensor of at most 6 "
                                "elements, as many as its storage data/0 has, "
                                "found 255 (size [255], stride [0]); save "
                                "tensor.contiguous() in Python")));
}

TEST(PtBridgeTest, RefusesRecordsThatClaimMoreThanTheFileHas) {
  const TempDirectory directory;
  MOE_ASSERT_OK(WritePtFile(SamplePtValue(), directory.Path("a.pt"), false));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string archive,
                           base::ReadFile(directory.Path("a.pt"), 1 << 20));
  // 2 GiB each, which LibTorch's reader would allocate.
  const std::string huge = directory.Write(
      "huge.pt", PatchDirectory(archive, 24, {"\0\0\0\x80", 4}));
  EXPECT_THAT(
      ReadPtFile(huge),
      StatusIs(absl::StatusCode::kDataLoss,
               AllOf(HasSubstr(huge), HasSubstr("found 2147483648 bytes"),
                     HasSubstr("room left beside the others"))));
  // None larger than the file, and all of them much larger.
  const uint32_t most = static_cast<uint32_t>(archive.size());
  std::string size(4, '\0');
  for (int i = 0; i < 4; ++i) size[i] = static_cast<char>(most >> (8 * i));
  const std::string shared =
      directory.Write("shared.pt", PatchDirectory(archive, 24, size));
  EXPECT_THAT(
      ReadPtFile(shared),
      StatusIs(
          absl::StatusCode::kDataLoss,
          HasSubstr(
              "expected at most 0 bytes, the room left beside the others")));
  const std::string deflated = directory.Write(
      "deflated.pt", PatchDirectory(archive, 10, {"\x08\0", 2}));
  EXPECT_THAT(ReadPtFile(deflated),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr(deflated), HasSubstr("compressed"))));
}

}  // namespace

namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::TempDirectory;

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
  MOE_ASSERT_OK_AND_ASSIGN(const base::RandomAccessFile a,
                           base::RandomAccessFile::Open(safetensors));
  EXPECT_THAT(IsPtFile(a), IsOkAndHolds(false));
  MOE_ASSERT_OK_AND_ASSIGN(const base::RandomAccessFile b,
                           base::RandomAccessFile::Open(pt));
  EXPECT_THAT(IsPtFile(b), IsOkAndHolds(true));
}

}  // namespace
}  // namespace moe::checkpoint
