#include "benchmarks/benchmark_main.h"

#include <iostream>
#include <string>

#include "absl/status/statusor.h"
#include "benchmark/benchmark.h"
#include "moe/kernels/simd/simd_target.h"

namespace moe::benchmarks {

int RunBenchmarks(int argc, char** argv) {
  const absl::StatusOr<kernels::SimdTarget> target =
      kernels::SimdTargetFromEnvironment();
  if (!target.ok()) {
    std::cerr << argv[0] << ": " << target.status().message() << "\n";
    return 1;
  }
  benchmark::AddCustomContext("simd_target",
                              std::string(kernels::SimdTargetName(*target)));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace moe::benchmarks
