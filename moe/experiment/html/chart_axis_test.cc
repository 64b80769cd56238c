#include "moe/experiment/html/chart_axis.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::Pointwise;

std::vector<double> Ticks(std::vector<double> values,
                          AxisScale scale = AxisScale::kLinear) {
  return ChartAxis(values, scale).ticks();
}

TEST(ChartAxisTest, EndsAtRoundNumbers) {
  EXPECT_THAT(Ticks({0, 9.5}),
              Pointwise(DoubleEq(), {0.0, 2.0, 4.0, 6.0, 8.0, 10.0}));
  EXPECT_THAT(Ticks({31, 68}),
              Pointwise(DoubleEq(), {30.0, 40.0, 50.0, 60.0, 70.0}));
  EXPECT_THAT(Ticks({-1, 1}),
              Pointwise(DoubleNear(1e-9), {-1.0, -0.5, 0.0, 0.5, 1.0}));
  EXPECT_THAT(Ticks({}),
              Pointwise(DoubleNear(1e-9), {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}));
}

TEST(ChartAxisTest, LogarithmicEndsAtPowersOfTen) {
  const AxisScale log = AxisScale::kLogarithmic;
  EXPECT_THAT(Ticks({27, 3.9e7}, log),
              Pointwise(DoubleEq(), {1e1, 1e3, 1e5, 1e7, 1e9}));
  EXPECT_THAT(Ticks({100}, log), Pointwise(DoubleEq(), {100.0, 1000.0}));
  EXPECT_THAT(Ticks({0, -1}, log), Pointwise(DoubleEq(), {1.0, 10.0}));
}

TEST(ChartAxisTest, HoldsAllValuesInOrder) {
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLogarithmic}) {
    for (double low = 1e-12; low < 1e12; low *= 7.3) {
      for (const double width : {1.0, 1.001, 3.7, 1e5, 1e30}) {
        const double high = low * width;
        const ChartAxis axis(std::vector<double>{high, low}, scale);
        EXPECT_LE(axis.min(), low * (1 + 1e-12));
        EXPECT_GE(axis.max(), high * (1 - 1e-12));
        EXPECT_GE(axis.ticks().size(), 2u);
        EXPECT_LE(axis.ticks().size(), 9u);
        EXPECT_LE(axis.Place(low), axis.Place(high));
        EXPECT_EQ(axis.Place(axis.min()), 0);
        EXPECT_EQ(axis.Place(axis.max()), 1);
      }
    }
  }
}

TEST(ChartAxisTest, PutsWhatIsBeyondAtTheEnds) {
  const ChartAxis axis(std::vector<double>{0, 10}, AxisScale::kLinear);
  EXPECT_EQ(axis.Place(5), 0.5);
  EXPECT_EQ(axis.Place(-1), 0);
  EXPECT_EQ(axis.Place(99), 1);
  EXPECT_EQ(axis.Place(std::nan("")), 0);
  EXPECT_EQ(axis.Place(std::numeric_limits<double>::infinity()), 1);
  const ChartAxis log(std::vector<double>{1, 100}, AxisScale::kLogarithmic);
  EXPECT_DOUBLE_EQ(log.Place(10), 0.5);
  EXPECT_EQ(log.Place(-3), 0);
}

TEST(FormatTickTest, IsShort) {
  EXPECT_EQ(FormatTick(0.30000000000000004), "0.3");
  EXPECT_EQ(FormatTick(-0.0), "0");
  EXPECT_EQ(FormatTick(1000), "1000");
  EXPECT_EQ(FormatTick(2e-7), "2e-07");
}

}  // namespace
}  // namespace moe
