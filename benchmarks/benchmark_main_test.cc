#include "benchmarks/benchmark_main.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/kernels/simd/simd_target.h"

namespace moe::benchmarks {
namespace {

using ::moe::base::testing::TempDirectory;
using ::testing::HasSubstr;

void BM_Nothing(benchmark::State& state) {
  for (auto _ : state) benchmark::ClobberMemory();
}
BENCHMARK(BM_Nothing)->Iterations(1);

int RunWith(std::vector<std::string> words) {
  words.insert(words.begin(), "program");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return RunBenchmarks(static_cast<int>(words.size()), arguments.data());
}

TEST(BenchmarkMainTest, SaysWhichKernelsItRanOn) {
  const TempDirectory directory;
  const std::string path = directory.Path("out.json");
  EXPECT_EQ(RunWith({absl::StrCat("--benchmark_out=", path),
                     "--benchmark_out_format=json"}),
            0);
  MOE_ASSERT_OK_AND_ASSIGN(const std::string json,
                           base::ReadFile(path, int64_t{1} << 20));
  EXPECT_THAT(json, HasSubstr("BM_Nothing"));
  EXPECT_THAT(json,
              HasSubstr(absl::StrCat(
                  "\"simd_target\": \"",
                  kernels::SimdTargetName(kernels::ActiveSimdTarget()), "\"")));
}

TEST(BenchmarkMainTest, RefusesAWrongArgumentAndAWrongTarget) {
  EXPECT_EQ(RunWith({"--no_such_flag"}), 1);
  ::setenv("MOE_SIMD_TARGET", "abacus", /*overwrite=*/1);
  EXPECT_EQ(RunWith({}), 1);
  ::unsetenv("MOE_SIMD_TARGET");
}

}  // namespace
}  // namespace moe::benchmarks
