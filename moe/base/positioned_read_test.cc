#include "moe/base/positioned_read.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::internal {
namespace {

using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

TEST(ReadAtTest, FillsTheSpanOrEndsWithTheFile) {
  const testing::TempDirectory directory;
  const std::string path = directory.Write("file", "0123456789");
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  ASSERT_GE(descriptor, 0);
  std::string out(4, '?');
  EXPECT_THAT(ReadAt(descriptor, 3, absl::MakeSpan(out)), IsOkAndHolds(4));
  EXPECT_EQ(out, "3456");
  EXPECT_THAT(ReadAt(descriptor, 8, absl::MakeSpan(out)), IsOkAndHolds(2));
  EXPECT_EQ(out, "8956");
  EXPECT_THAT(ReadAt(descriptor, 10, absl::MakeSpan(out)), IsOkAndHolds(0));
  EXPECT_EQ(::close(descriptor), 0);
}

TEST(ReadAtTest, SaysWhatTheSystemReports) {
  std::string out(4, '?');
  // No descriptor is negative.
  const absl::Status status = ReadAt(-1, 7, absl::MakeSpan(out)).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("reading at offset 7: Bad file descriptor"));
}

}  // namespace
}  // namespace moe::internal
