#include "moe/base/aligned_buffer.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace moe::base {
namespace {

constexpr int64_t kHugePageFloats = (int64_t{2} << 20) / 4;

bool IsAligned(const float* data) {
  return reinterpret_cast<uintptr_t>(data) % 64 == 0;
}

// Sizes with no, one and several huge pages inside of them; every float can be
// written and read back.
TEST(AlignedBufferTest, HoldsWhatIsWrittenAtEverySize) {
  for (const int64_t size :
       {int64_t{1}, int64_t{1000}, kHugePageFloats - 1, kHugePageFloats,
        2 * kHugePageFloats + 1, 9 * kHugePageFloats}) {
    AlignedBuffer<float> buffer(size);
    ASSERT_EQ(buffer.size(), size);
    EXPECT_TRUE(IsAligned(buffer.data())) << size;
    for (int64_t i = 0; i < size; ++i) {
      buffer.data()[i] = static_cast<float>(i % 1000);
    }
    for (int64_t i = 0; i < size; ++i) {
      ASSERT_EQ(buffer.data()[i], static_cast<float>(i % 1000)) << i;
    }
  }
}

TEST(AlignedBufferTest, EmptyHasNoData) {
  EXPECT_EQ(AlignedBuffer<float>().data(), nullptr);
  EXPECT_EQ(AlignedBuffer<float>(0).data(), nullptr);
}

TEST(AlignedBufferTest, ReserveKeepsWhatIsLargeEnough) {
  AlignedBuffer<float> buffer(100);
  const float* const data = buffer.data();
  EXPECT_EQ(buffer.Reserve(100), data);
  EXPECT_EQ(buffer.size(), 100);
  EXPECT_NE(buffer.Reserve(200), nullptr);
  EXPECT_EQ(buffer.size(), 200);
}

}  // namespace
}  // namespace moe::base
