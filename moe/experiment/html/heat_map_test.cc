#include "moe/experiment/html/heat_map.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/checkpoint/artifact/matrix.h"

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
  EXPECT_THAT(svg, HasSubstr("load &lt;8&gt;"));
  EXPECT_THAT(svg, HasSubstr("tokens: 0 to 40"));
  EXPECT_THAT(svg, HasSubstr("x=\"72.0\" y=\"44.0\" width=\"48.0\""));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.000\""));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.250\""));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"1.000\""));
  EXPECT_THAT(svg, HasSubstr("<title>layer 0, expert 1: 10</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>layer 1, expert 1: 40</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("layer 1, expert 0")));
}

TEST(HeatMapTest, MayBeEmptyOrAllZero) {
  EXPECT_THAT(FormatHeatMap({}), HasSubstr("</svg>"));
  HeatMap map;
  map.values = Matrix<double>(1, 3);
  EXPECT_THAT(FormatHeatMap(map), HasSubstr("fill-opacity=\"0.000\""));
}

TEST(HeatMapTest, HasRoomForManyColumns) {
  HeatMap map;
  map.values = Matrix<double>(100, 1024);
  EXPECT_THAT(FormatHeatMap(map), HasSubstr("width=\"0.6\""));
}

}  // namespace
}  // namespace moe
