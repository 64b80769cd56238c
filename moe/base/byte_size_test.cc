#include "moe/base/byte_size.h"

#include <cstdint>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::base {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(ParseByteSizeTest, TakesEveryUnit) {
  EXPECT_THAT(ParseByteSize("4096"), IsOkAndHolds(4096));
  EXPECT_THAT(ParseByteSize("17B"), IsOkAndHolds(17));
  EXPECT_THAT(ParseByteSize("2GiB"), IsOkAndHolds(int64_t{2} << 30));
  EXPECT_THAT(ParseByteSize("3 mib"), IsOkAndHolds(3 * 1048576));
  EXPECT_THAT(ParseByteSize(" 1.5KiB "), IsOkAndHolds(1536));
  EXPECT_THAT(ParseByteSize("1TiB"), IsOkAndHolds(int64_t{1} << 40));
  EXPECT_THAT(ParseByteSize("2.5KB"), IsOkAndHolds(2500));
  EXPECT_THAT(ParseByteSize("7GB"), IsOkAndHolds(int64_t{7000000000}));
  EXPECT_THAT(ParseByteSize("0"), IsOkAndHolds(0));
}

TEST(ParseByteSizeTest, RefusesWhatIsNotAnAmount) {
  for (const char* text : {"", "GiB", "-1GiB", "two", "1..5GiB", "1e3", "inf",
                           "nan", "0x10", "5 parsecs", "9000000TiB"}) {
    EXPECT_THAT(ParseByteSize(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)))
        << text;
  }
}

TEST(FormatByteSizeTest, KeepsThreeDigits) {
  EXPECT_EQ(FormatByteSize(0), "0 B");
  EXPECT_EQ(FormatByteSize(1023), "1023 B");
  EXPECT_EQ(FormatByteSize(1024), "1.00 KiB");
  EXPECT_EQ(FormatByteSize(15 * 1024 + 512), "15.5 KiB");
  EXPECT_EQ(FormatByteSize(int64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(FormatByteSize(int64_t{500} << 40), "500 TiB");
}

}  // namespace

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
}  // namespace moe::base
