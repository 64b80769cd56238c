// Damaged .pt files end in an error, whatever the damage.

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/pt_bridge.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/testing/sample_pt_value.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::checkpoint::testing::SamplePtValue;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

auto IsRefusal() {
  return StatusIs(
      AnyOf(absl::StatusCode::kDataLoss, absl::StatusCode::kInvalidArgument,
            absl::StatusCode::kUnimplemented),
      HasSubstr("damaged.pt"));
}

TEST(PtDamageTest, EveryTruncationIsAnError) {
  const TempDirectory directory;
  MOE_ASSERT_OK(WritePtFile(SamplePtValue(), directory.Path("a.pt"), false));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string bytes,
                           base::ReadFile(directory.Path("a.pt"), 1 << 20));
  for (size_t size = 0; size < bytes.size(); size += 7) {
    const std::string path =
        directory.Write("damaged.pt", bytes.substr(0, size));
    EXPECT_THAT(ReadPtFile(path), IsRefusal()) << size;
  }
}

// A flipped bit may fall into padding or into a tensor's values, so reading may
// succeed; what it must not do is end the process.
TEST(PtDamageTest, NoFlippedBitBreaksIt) {
  const TempDirectory directory;
  MOE_ASSERT_OK(WritePtFile(SamplePtValue(), directory.Path("a.pt"), false));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string bytes,
                           base::ReadFile(directory.Path("a.pt"), 1 << 20));
  int num_refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    const std::string path = directory.Write("damaged.pt", damaged);
    const absl::StatusOr<PtValue> value = ReadPtFile(path);
    if (value.ok()) continue;
    ++num_refused;
    EXPECT_THAT(value, IsRefusal()) << i;
  }
  EXPECT_GT(num_refused, 100);
}

struct Seed {
  std::string name;
  absl::StatusCode code;
  std::string message;
};

// testdata/pt, which the fuzzers start from: some hundred bytes each, and what
// is refused asks for a gigabyte and more.
TEST(PtDamageTest, SmallFilesCostLittle) {
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  const absl::StatusCode exhausted = absl::StatusCode::kResourceExhausted;
  const std::vector<Seed> seeds = {
      {"tensors", absl::StatusCode::kOk, ""},
      {"shared", absl::StatusCode::kOk, ""},
      {"rebuilt_again", absl::StatusCode::kOk, ""},
      {"long_key_again", absl::StatusCode::kOk, ""},
      {"larger_than_storage", invalid, "found 1099511627776"},
      {"holds_itself", invalid, "nested deeper"},
      {"doubling_lists", exhausted, "values, which is what a file"},
      {"doubling_tensors", exhausted, "values, which is what a file"},
      {"doubling_ints", exhausted, "save each once"},
      {"records_of_2_gib", absl::StatusCode::kDataLoss,
       "found 2147483648 bytes"},
      {"deflated", absl::StatusCode::kUnimplemented, "found it compressed"},
  };
  for (const Seed& seed : seeds) {
    const std::string path = absl::StrCat("testdata/pt/", seed.name, ".pt");
    const absl::StatusOr<PtValue> value = ReadPtFile(path);
    if (seed.code == absl::StatusCode::kOk) {
      MOE_EXPECT_OK(value);
    } else {
      EXPECT_THAT(value, StatusIs(seed.code, AllOf(HasSubstr(path),
                                                   HasSubstr(seed.message))));
    }
  }
}

}  // namespace
}  // namespace moe::checkpoint
