#include "moe/experiment/report/report_numbers.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"

namespace moe {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(NumberToJsonTest, SaysWhatJsonCannot) {
  EXPECT_EQ(NumberToJson(0.1).dump(), "0.1");
  EXPECT_EQ(NumberToJson(kInfinity).dump(), "\"inf\"");
  EXPECT_EQ(NumberToJson(-kInfinity).dump(), "\"-inf\"");
  EXPECT_EQ(NumberToJson(std::nan("")).dump(), "\"nan\"");
}

TEST(NumberOfJsonTest, ReadsItBack) {
  for (const double value : {0.1, -3.0, kInfinity, -kInfinity}) {
    EXPECT_EQ(NumberOfJson(NumberToJson(value)), value);
  }
  EXPECT_TRUE(std::isnan(NumberOfJson(NumberToJson(std::nan("")))));
  EXPECT_TRUE(std::isnan(NumberOfJson(nullptr)));
  EXPECT_EQ(NumberOfJson(Json(7)), 7);
}

TEST(FormatNumberTest, KeepsFourDigits) {
  EXPECT_EQ(FormatNumber(0), "0");
  EXPECT_EQ(FormatNumber(1.2776216), "1.278");
  EXPECT_EQ(FormatNumber(0.245), "0.2450");
  EXPECT_EQ(FormatNumber(61.71365), "61.71");
  EXPECT_EQ(FormatNumber(999.94), "999.9");
  EXPECT_EQ(FormatNumber(999.96), "1,000");
  EXPECT_EQ(FormatNumber(22462800.2), "22,462,800");
  EXPECT_EQ(FormatNumber(-2.5), "-2.500");
  EXPECT_EQ(FormatNumber(3.06e-8), "3.1e-08");
  EXPECT_EQ(FormatNumber(3e38), "3e+38");
  EXPECT_EQ(FormatNumber(kInfinity), "infinite");
  EXPECT_EQ(FormatNumber(std::nan("")), "not a number");
}

}  // namespace
}  // namespace moe
