#include "moe/experiment/step_timing.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/step_timing.pb.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::TempDirectory;

TEST(StepStopwatchTest, MeasuresWhatRunsWhileItRuns) {
  const StepStopwatch stopwatch;
  absl::SleepFor(absl::Milliseconds(20));
  const absl::Time start = absl::Now();
  volatile double sum = 0;
  while (absl::Now() - start < absl::Milliseconds(60)) sum = sum + 1;
  const StepTiming timing = stopwatch.Read();
  EXPECT_GE(timing.wall_seconds(), 0.08);
  EXPECT_GT(timing.cpu_seconds(), 0);
  EXPECT_LT(timing.cpu_seconds(), timing.wall_seconds());
  EXPECT_GE(timing.num_threads(), 1);
  EXPECT_NE(timing.simd_target(), "");
  EXPECT_NE(timing.cpu(), "");
}

TEST(StepStopwatchTest, ForgetsTheMemoryOfWhatRanBefore) {
  constexpr size_t kBytes = size_t{256} << 20;
  const StepStopwatch first;
  { std::vector<char> memory(kBytes, 1); }
  const int64_t with = first.Read().peak_resident_bytes();
  if (with == 0) GTEST_SKIP() << "this system does not say";
  EXPECT_GE(with, static_cast<int64_t>(kBytes));
  EXPECT_LT(StepStopwatch().Read().peak_resident_bytes(), with);
}

TEST(AddPartTest, SumsTimesAndKeepsTheMostMemory) {
  StepTiming total;
  total.set_wall_seconds(1);
  total.set_cpu_seconds(2);
  total.set_peak_resident_bytes(30);
  StepTiming part;
  part.set_wall_seconds(10);
  part.set_cpu_seconds(20);
  part.set_peak_resident_bytes(40);
  AddPart(part, total);
  part.set_peak_resident_bytes(5);
  AddPart(part, total);
  EXPECT_EQ(total.wall_seconds(), 21);
  EXPECT_EQ(total.cpu_seconds(), 42);
  EXPECT_EQ(total.peak_resident_bytes(), 40);
  EXPECT_EQ(total.num_parts(), 2);
}

TEST(TimingFileTest, GivesBackWhatWasWritten) {
  const TempDirectory directory;
  const std::string path = TimingPath(directory.Path("router"));
  EXPECT_EQ(path, directory.Path("router.timing.textproto"));
  EXPECT_FALSE(ReadTiming(path).has_value());
  StepTiming timing;
  timing.set_wall_seconds(0.125);
  timing.set_cpu("a \"processor\"");
  ASSERT_THAT(WriteTiming(timing, path), IsOk());
  const std::optional<StepTiming> read = ReadTiming(path);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->wall_seconds(), 0.125);
  EXPECT_EQ(read->cpu(), timing.cpu());
}

TEST(TimingFileTest, OneThatCannotBeReadIsNone) {
  TempDirectory directory;
  EXPECT_FALSE(
      ReadTiming(directory.Write("broken", "wall_seconds: x")).has_value());
}

}  // namespace
}  // namespace moe
