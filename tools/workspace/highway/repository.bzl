"""Highway, SIMD with run-time dispatch, from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def highway_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/highway:package.BUILD.bazel",
        packages = ["libhwy-dev"],
        pkg_config = {"HIGHWAY": ["libhwy"]},
    )
