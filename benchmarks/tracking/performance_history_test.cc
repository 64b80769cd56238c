#include "benchmarks/tracking/performance_history.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/kernels/simd/simd_target.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

PerformanceRun Sample(double value) {
  return {
      "2026-01-02T03:04:05Z",
      "4f3a",
      {"A \"fast\" one", 8, int64_t{1} << 40, "Debian", "Linux 6.1", "avx2"},
      {{"gates/assign", value}, {"split/get_grads", 0.1}},
      {{"gates/assign", 3}}};
}

TEST(PerformanceHistoryTest, GivesBackWhatWasAppended) {
  const TempDirectory directory;
  const std::string path = directory.Path("history.jsonl");
  EXPECT_THAT(ReadHistory(path).value(), IsEmpty());
  MOE_ASSERT_OK(AppendToHistory(path, Sample(1.0 / 3.0)));
  MOE_ASSERT_OK(AppendToHistory(path, Sample(2)));
  MOE_ASSERT_OK_AND_ASSIGN(const auto runs, ReadHistory(path));
  EXPECT_THAT(runs, ElementsAre(Sample(1.0 / 3.0), Sample(2)));
}

TEST(PerformanceHistoryTest, AppendsAfterALineWithoutAnEnd) {
  const TempDirectory directory;
  const std::string path = directory.Path("history.jsonl");
  MOE_ASSERT_OK(AppendToHistory(path, Sample(1)));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  MOE_ASSERT_OK(AppendToHistory(path, Sample(2)));
  MOE_ASSERT_OK_AND_ASSIGN(const auto runs, ReadHistory(path));
  EXPECT_THAT(runs, ElementsAre(Sample(1), Sample(2)));
}

TEST(PerformanceHistoryTest, NamesTheLineThatIsNoRun) {
  const TempDirectory directory;
  const std::string path = directory.Path("history.jsonl");
  MOE_ASSERT_OK(AppendToHistory(path, Sample(1)));
  directory.Write("more", "");
  for (const char* const line : {"nonsense", "{}", "{\"date\": \"x\"}"}) {
    directory.Write("bad.jsonl", std::string("\n") + line + "\n");
    EXPECT_THAT(ReadHistory(directory.Path("bad.jsonl")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("bad.jsonl, line 2")));
  }
  EXPECT_FALSE(AppendToHistory(directory.Path("more/file"), Sample(1)).ok());
}

TEST(MachineFactsTest, KnowsThisMachine) {
  const MachineFacts facts = FactsOfThisMachine();
  EXPECT_FALSE(facts.processor.empty());
  EXPECT_GE(facts.num_processors, 1);
  EXPECT_GT(facts.memory_bytes, int64_t{1} << 28);
  EXPECT_FALSE(facts.distribution.empty());
  EXPECT_THAT(facts.distribution, Not(HasSubstr("\"")));
  EXPECT_THAT(facts.kernel, HasSubstr(" "));
  EXPECT_EQ(facts.simd_target, SimdTargetName(ActiveSimdTarget()));
}

}  // namespace
}  // namespace moe
