#include "moe/base/available_memory.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace moe {
namespace {

TEST(ParseMemAvailableTest, FindsTheLine) {
  EXPECT_EQ(internal::ParseMemAvailable("MemTotal:       24670772 kB\n"
                                        "MemFree:         1234567 kB\n"
                                        "MemAvailable:   21000000 kB\n"),
            int64_t{21000000} * 1024);
  EXPECT_EQ(internal::ParseMemAvailable("MemTotal:       24670772 kB\n"),
            std::nullopt);
  EXPECT_EQ(internal::ParseMemAvailable("MemAvailable:   lots kB\n"),
            std::nullopt);
  EXPECT_EQ(internal::ParseMemAvailable(""), std::nullopt);
}

TEST(AvailableMemoryTest, IsPositive) {
  EXPECT_GT(AvailableMemoryBytes().value_or(1), 0);
}

TEST(PeakResidentBytesTest, GrowsWithWhatIsTouched) {
  const int64_t before = PeakResidentBytes();
  EXPECT_GT(before, 0);
  const std::vector<char> touched(size_t{64} << 20, 'x');
  EXPECT_GE(PeakResidentBytes(), before);
  EXPECT_GE(PeakResidentBytes(), static_cast<int64_t>(touched.size()));
}

}  // namespace
}  // namespace moe
