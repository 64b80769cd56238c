#include "moe/experiment/html/heat_map.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"

namespace moe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(HeatMapTest, ShadesEachCellByItsShareOfTheLargest) {
  HeatMap map;
  map.title = "load <8>";
  map.row_name = "layer";
  map.col_name = "expert";
  map.value_name = "tokens";
  map.values = Matrix<double>(2, 2, {0, 10, std::nan(""), 40});
  const std::string svg = FormatHeatMap(map);
  EXPECT_THAT(svg, HasSubstr("aria-label=\"load &lt;8&gt;\""));
  EXPECT_THAT(svg, HasSubstr(">40 tokens</text>"));
  EXPECT_THAT(svg, HasSubstr("x=\"57.5\" y=\"22.0\" width=\"36.0\""));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.000\""));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.250\""));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"1.000\""));
  EXPECT_THAT(svg, HasSubstr("<title>layer 0, expert 1: 10 tokens</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>layer 1, expert 1: 40 tokens</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("layer 1, expert 0")));
  // The number is written on the shade, in a colour to be read there.
  EXPECT_THAT(svg, HasSubstr("class=\"cell\">10</text>"));
  EXPECT_THAT(svg, HasSubstr("class=\"cell on\">40</text>"));
}

TEST(HeatMapTest, CallsRowsAndNumbersAsAsked) {
  HeatMap map;
  map.row_name = "layer";
  map.values = Matrix<double>(2, 1, {1, 2});
  map.row_labels = {"5"};
  map.format = [](double value) { return absl::StrCat("<", value, ">"); };
  const std::string svg = FormatHeatMap(map);
  EXPECT_THAT(svg, HasSubstr(">layer 5</text>"));
  EXPECT_THAT(svg, HasSubstr(">layer 1</text>"));
  EXPECT_THAT(svg, HasSubstr("&lt;2&gt;"));
}

TEST(HeatMapTest, MayBeEmptyOrAllZero) {
  EXPECT_THAT(FormatHeatMap({}), HasSubstr("</svg>"));
  HeatMap map;
  map.values = Matrix<double>::Zeros(1, 3);
  EXPECT_THAT(FormatHeatMap(map), HasSubstr("fill-opacity=\"0.000\""));
}

TEST(HeatMapTest, HasRoomForManyColumns) {
  HeatMap map;
  map.values = Matrix<double>::Zeros(100, 1024);
  const std::string svg = FormatHeatMap(map);
  EXPECT_THAT(svg, HasSubstr("width=\"0.6\""));
  EXPECT_THAT(svg, Not(HasSubstr("class=\"cell\"")));
}

}  // namespace
}  // namespace moe
