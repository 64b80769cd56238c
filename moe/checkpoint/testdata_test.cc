// The fixtures are the files that testdata/README.md names: size and digest.

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;

TEST(TestdataTest, EveryFileHasTheDigestOfTheReadme) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::string readme,
                           base::ReadFile("testdata/README.md", 1 << 20));
  int num_files = 0;
  for (const absl::string_view line : absl::StrSplit(readme, '\n')) {
    // | `file` | bytes | `digest` |
    const std::vector<absl::string_view> cells = absl::StrSplit(line, '|');
    if (cells.size() != 5 || cells[3].size() != 68) continue;
    const std::string file(cells[1].substr(2, cells[1].size() - 4));
    const std::string digest(cells[3].substr(2, 64));
    int num_bytes = 0;
    ASSERT_TRUE(absl::SimpleAtoi(cells[2], &num_bytes)) << line;
    const std::string path = absl::StrCat("testdata/", file);
    EXPECT_THAT(base::HexSha256OfFile(path), IsOkAndHolds(digest)) << file;
    MOE_ASSERT_OK_AND_ASSIGN(const base::RandomAccessFile opened,
                             base::RandomAccessFile::Open(path));
    EXPECT_EQ(opened.size_bytes(), num_bytes) << file;
    ++num_files;
  }
  EXPECT_EQ(num_files, 53);
}

}  // namespace
}  // namespace moe::checkpoint
