#include "moe/checkpoint/safetensors_file.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;

HostTensors Sample() {
  return {{"b", {Dtype::kBF16, {2}, "BBBB"}},
          {"a", {Dtype::kBF16, {1}, "AA"}},
          {"z", {Dtype::kI64, {1}, "ZZZZZZZZ"}}};
}

TEST(SafetensorsFileTest, WritesInTheReferenceOrderAndReadsBack) {
  const TempDirectory directory;
  const std::string path = directory.Path("t.safetensors");
  MOE_ASSERT_OK(WriteSafetensorsFile(path, Sample(), {{"k", "v"}},
                                     /*overwrite=*/false));
  EXPECT_THAT(ReadSafetensorsFile(path), IsOkAndHolds(Sample()));
  MOE_ASSERT_OK_AND_ASSIGN(const SafetensorsFile file,
                           SafetensorsFile::Open(path));
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"k", "v"}}));
  // I64 before BF16, then by name.
  std::vector<std::string> names;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    names.push_back(tensor.spec.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"z", "a", "b"}));
  EXPECT_THAT(file.Find("absent"), IsNull());
  ASSERT_THAT(file.Find("b"), NotNull());
  std::string piece(3, '\0');
  MOE_EXPECT_OK(file.Read(*file.Find("b"), 1, absl::MakeSpan(piece)));
  EXPECT_EQ(piece, "BBB");
}

TEST(SafetensorsFileTest, RefusesAFileThatExists) {
  const TempDirectory directory;
  const std::string path = directory.Write("t.safetensors", "kept");
  EXPECT_THAT(WriteSafetensorsFile(path, Sample(), {}, /*overwrite=*/false),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(base::ReadFile(path, 100), IsOkAndHolds(std::string("kept")));
  MOE_EXPECT_OK(WriteSafetensorsFile(path, Sample(), {}, /*overwrite=*/true));
  EXPECT_THAT(ReadSafetensorsFile(path), IsOkAndHolds(Sample()));
}

TEST(SafetensorsFileTest, ErrorsNameThePath) {
  const TempDirectory directory;
  const std::string path = directory.Write("t.safetensors", "junk");
  EXPECT_THAT(SafetensorsFile::Open(path),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(path), HasSubstr("8 bytes of length"))));
}

class SafetensorsWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MOE_ASSERT_OK_AND_ASSIGN(
        file_, base::PosixFileSystem().CreateFile(directory_.Path("f")));
  }
  const TempDirectory directory_;
  std::unique_ptr<base::WritableFile> file_;
};

TEST_F(SafetensorsWriterTest, CountsTheData) {
  const std::vector<TensorSpec> specs = {{"w", Dtype::kU8, {4}}};
  MOE_ASSERT_OK_AND_ASSIGN(SafetensorsWriter writer,
                           SafetensorsWriter::Create(*file_, specs, {}));
  MOE_EXPECT_OK(writer.Append("123"));
  EXPECT_THAT(writer.Finish(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                        HasSubstr("expected 1 more bytes")));
  EXPECT_THAT(writer.Append("45"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  MOE_EXPECT_OK(writer.Append("4"));
  EXPECT_THAT(writer.Finish(), IsOk());
}

TEST_F(SafetensorsWriterTest, RefusesMalformedSpecs) {
  EXPECT_THAT(SafetensorsWriter::Create(
                  *file_, {{"w", Dtype::kU8, {1}}, {"w", Dtype::kU8, {1}}}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"w\": expected it once, found it twice")));
  constexpr int64_t kLarge = int64_t{1} << 62;
  EXPECT_THAT(
      SafetensorsWriter::Create(*file_, {{"w", Dtype::kF32, {kLarge}}}, {}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("overflows")));
  EXPECT_THAT(SafetensorsWriter::Create(*file_, {{"w", Dtype::kU8, {-1}}}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"w\""), HasSubstr("negative"))));
}

}  // namespace
}  // namespace moe::checkpoint
