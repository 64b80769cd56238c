// Damaged .pt files end in an error, whatever the damage.

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/pt_bridge.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/testing/sample_pt_value.h"

// LibTorch 1.13's archive reader leaks its directory when its constructor
// throws. Only this program, which makes it throw, excuses that; what we lose
// ourselves is reported here as elsewhere, as no frame of it lies in LibTorch.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libtorch_cpu.so\n";
}

namespace moe {
namespace {

using ::moe::testing::SamplePtValue;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
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
                           ReadFile(directory.Path("a.pt"), 1 << 20));
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
                           ReadFile(directory.Path("a.pt"), 1 << 20));
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

}  // namespace
}  // namespace moe
