#include "moe/base/with_commas.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace moe {
namespace {

TEST(WithCommasTest, GroupsByThousands) {
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(1000), "1,000");
  EXPECT_EQ(WithCommas(123456), "123,456");
  EXPECT_EQ(WithCommas(12345678), "12,345,678");
  EXPECT_EQ(WithCommas(INT64_MAX), "9,223,372,036,854,775,807");
}

}  // namespace
}  // namespace moe
