"""Google Benchmark from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def benchmark_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/benchmark:package.BUILD.bazel",
        packages = ["libbenchmark-dev"],
        pkg_config = {"BENCHMARK": ["benchmark"]},
    )
