#include "moe/text/dataset/byte_stream.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/testing/compress.h"

namespace moe {
namespace {

using ::moe::testing::GzipOf;
using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::HasSubstr;

class ByteStreamTest : public ::testing::Test {
 protected:
  ByteStream Open(absl::string_view contents) {
    return ByteStream(
        CompressedFileReader::Open(directory_.Write("a", contents)).value());
  }

  static std::string ReadAll(ByteStream& stream) {
    std::string text;
    while (const std::optional<char> next = stream.Peek()) {
      text.push_back(*next);
      stream.Skip();
    }
    return text;
  }

  const TempDirectory directory_;
};

TEST_F(ByteStreamTest, ReadsAllAndCountsLines) {
  const std::string text = "a\n" + std::string(200'000, 'x') + "\n\nb";
  ByteStream stream = Open(text);
  EXPECT_EQ(stream.line(), 1);
  EXPECT_EQ(ReadAll(stream), text);
  EXPECT_EQ(stream.line(), 4);
  EXPECT_EQ(stream.Peek(), std::nullopt);
  EXPECT_THAT(stream.status(), IsOk());
}

TEST_F(ByteStreamTest, PassesOverAByteOrderMarkAtTheStart) {
  ByteStream stream = Open("\xef\xbb\xbfx\xef\xbb\xbf");
  EXPECT_EQ(ReadAll(stream), "x\xef\xbb\xbf");
  ByteStream part = Open("\xef\xbb");
  EXPECT_EQ(ReadAll(part), "\xef\xbb");
}

TEST_F(ByteStreamTest, AnErrorIsTheEndAndNamesTheLine) {
  const std::string whole = GzipOf("a\nb");
  ByteStream stream = Open(whole.substr(0, whole.size() - 4));
  ReadAll(stream);
  EXPECT_THAT(stream.status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(", in line ")));
}

}  // namespace
}  // namespace moe
