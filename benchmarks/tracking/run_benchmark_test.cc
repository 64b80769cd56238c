#include "benchmarks/tracking/run_benchmark.h"

#include <sys/stat.h>

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::HasSubstr;

TEST(RowFilterTest, MatchesTheseRowsAndNoOther) {
  EXPECT_EQ(RowFilter({"BM_A/1", "BM_B<2>(x)/f:0.5"}),
            "^(BM_A/1|BM_B<2>\\(x\\)/f:0\\.5)$");
}

// A program in the place of a benchmark.
std::string Script(const TempDirectory& directory, const std::string& body) {
  directory.Write("program", "#!/bin/sh\n" + body);
  const std::string path = directory.Path("program");
  EXPECT_EQ(::chmod(path.c_str(), 0700), 0);
  return path;
}

TEST(RunBenchmarkTest, ReadsWhatTheProgramWrites) {
  const TempDirectory directory;
  const std::string path = Script(directory, R"(
for word; do case "${word}" in
  --benchmark_out=*) out="${word#*=}" ;;
  --benchmark_filter=*) filter="${word#*=}" ;;
esac; done
printf '{"benchmarks": [{"name": "%s", "ratio": 1.5}]}' "${filter}" >"${out}"
)");
  MOE_ASSERT_OK_AND_ASSIGN(const BenchmarkOutput output,
                           RunBenchmark(path, {"BM_A"}));
  EXPECT_EQ(output, (BenchmarkOutput{{"^(BM_A)$", {{"ratio", 1.5}}}}));
}

TEST(RunBenchmarkTest, SaysWhichProgramFailedAndHow) {
  const TempDirectory directory;
  const std::string path = Script(directory, "exit 3\n");
  EXPECT_THAT(RunBenchmark(path, {"BM_A"}),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("program ended with status 3")));
  EXPECT_THAT(RunBenchmark(Script(directory, "kill -9 $$\n"), {"BM_A"}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("137")));
  EXPECT_THAT(
      RunBenchmark(Script(directory, "exit 0\n"), {"BM_A"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("program")));
  EXPECT_THAT(RunBenchmark(directory.Path("none"), {"BM_A"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace moe
