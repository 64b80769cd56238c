#include "moe/evaluate/natural_order.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

using ::testing::ElementsAre;

TEST(NaturalOrderTest, NumbersCompareAsNumbers) {
  std::vector<std::string> names = {"l.10.w", "l.9.w",  "l",  "l.9",
                                    "k.99",   "l.10.a", "l.x"};
  std::sort(names.begin(), names.end(), NaturalOrder());
  EXPECT_THAT(names, ElementsAre("k.99", "l", "l.9", "l.9.w", "l.10.a",
                                 "l.10.w", "l.x"));
}

TEST(NaturalOrderTest, TakesNumbersOfAnyLength) {
  EXPECT_TRUE(NaturalLess("99999999999999999998", "99999999999999999999"));
  EXPECT_TRUE(NaturalLess("99999999999999999999", "100000000000000000000"));
}

TEST(NaturalOrderTest, IsTotalWhereNumbersTie) {
  // "07" < "7" as bytes.
  EXPECT_TRUE(NaturalLess("a.07", "a.7"));
  EXPECT_FALSE(NaturalLess("a.7", "a.07"));
  EXPECT_FALSE(NaturalLess("a.7", "a.7"));
}

}  // namespace
}  // namespace moe
